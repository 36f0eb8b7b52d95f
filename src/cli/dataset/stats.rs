//! `harness dataset stats`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::replay::TraceFormatArgs;

/// `dataset stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// A file of prompts, or a trace; none: the prompts that are built in
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How a trace is read.
    #[command(flatten)]
    pub format: TraceFormatArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
