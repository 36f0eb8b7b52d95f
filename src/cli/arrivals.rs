//! When requests of an open loop start.

use clap::Args;

/// When requests of an open loop start.
#[derive(Debug, Args)]
#[command(next_help_heading = "Arrivals")]
pub struct ArrivalArgs {}
