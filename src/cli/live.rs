//! What shows a benchmark while it runs.

use clap::Args;

/// What shows a benchmark while it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live")]
pub struct LiveArgs {}
