//! A search for the highest load that meets the objectives.

use clap::Args;

/// The search of a sweep.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub struct SearchArgs {
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
