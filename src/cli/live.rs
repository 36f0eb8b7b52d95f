//! What shows a benchmark while it runs.

use clap::Args;

/// What shows a benchmark while it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live")]
pub struct LiveArgs {
    /// Show a picture of the run on the whole terminal: backends, rates, latencies, GPUs, the server's log
    #[arg(long)]
    pub tui: bool,
}
