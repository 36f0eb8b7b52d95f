//! Loads that a sweep finds by itself: the curve around the knee, the highest load that meets the objectives.

use clap::{Args, ValueEnum};

/// The search of a sweep.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub struct SearchArgs {
    /// Find the useful loads of each backend by itself: from a burst (of concurrency: from one stream) up to saturation, then
    /// around the knee, where throughput stops to grow and latency bends [possible values: rate, concurrency]
    #[arg(
        long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "rate",
        hide_possible_values = true, conflicts_with_all = ["find_max_rate", "find_max_concurrency"]
    )]
    pub auto: Option<AutoArg>,
    /// Loads of a backend at most under --auto, the burst not counted [default: 8]
    #[arg(long, value_name = "N", requires = "auto", value_parser = clap::value_parser!(u32).range(3..=100))]
    pub points: Option<u32>,
    /// Find the highest rate of each backend that meets --slo, with its interval. --rate is the first guess [default: from a burst]
    #[arg(long)]
    pub find_max_rate: bool,
    /// Find the highest number of requests in flight that meets --slo. --concurrency is the first guess [default: 8]
    #[arg(long, conflicts_with = "find_max_rate")]
    pub find_max_concurrency: bool,
    /// Half the width of the interval that ends a search
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    pub precision: String,
    /// Runs of a backend at most in a search
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(3..=1000))]
    pub most_runs: u32,
}

/// What `--auto` raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AutoArg {
    /// Requests a second of an open loop.
    Rate,
    /// Requests in flight of a closed loop.
    Concurrency,
}
