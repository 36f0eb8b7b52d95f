//! `trend`.

use std::path::PathBuf;

use clap::Args;

/// `trend`.
#[derive(Debug, Args)]
pub struct TrendArgs {
    /// The file of all runs; those that it was before its columns changed (…_until_….csv) are read with it
    #[arg(value_name = "FILE", default_value = "results/benchmark_summary.csv")]
    pub file: PathBuf,
    /// These backends only
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    pub backend: Vec<String>,
    /// These models only
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub model: Vec<String>,
    /// Up to three figures: columns of the CSV files, with or without their unit
    #[arg(
        long,
        value_name = "FIGURE,…",
        value_delimiter = ',',
        default_value = "output_tps,ttft_p50,ttft_p99"
    )]
    pub metric: Vec<String>,
    /// Show the last N runs of each group; changes are found over all of them
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub last: u32,
    /// Print JSON instead of the table
    #[arg(long)]
    pub json: bool,
}
