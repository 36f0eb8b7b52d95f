//! `check`.

use std::path::PathBuf;

use clap::Args;

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The result to check: a comparison's directory or comparison.json, a run's .json, or a directory of results
    #[arg(value_name = "RESULT")]
    pub result: PathBuf,
    /// The earlier result that it is held against, in any of these forms
    #[arg(long, value_name = "RESULT")]
    pub baseline: PathBuf,
    /// How much worse each figure may be: a figure is a column of the CSV files, with or without its unit; a limit
    /// is in %, of a figure that is itself in % in percentage points
    #[arg(
        long,
        value_name = "FIGURE=LIMIT,…",
        value_delimiter = ',',
        default_value = "output_tps=5%,ttft_p99=10%"
    )]
    pub max_regression: Vec<String>,
    /// Check these labels only; NOW=THEN holds a label against one of another name
    /// [default: the only one of each side, else those that both have]
    #[arg(long, value_name = "LABEL,…", value_delimiter = ',')]
    pub label: Vec<String>,
    /// Go on where model, load, settings or machine differ
    #[arg(long)]
    pub force: bool,
    /// Exit 1 also where a figure cannot be told: too few rounds, or beyond its limit by what may be chance
    #[arg(long)]
    pub strict: bool,
    /// Write JUnit XML too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print GitHub's workflow commands too, which become annotations
    #[arg(long, conflicts_with = "json")]
    pub github: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    pub json: bool,
}
