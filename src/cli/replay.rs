//! A trace of arrivals and lengths, played again.

use clap::Args;

/// A trace of arrivals and lengths, played again.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
pub struct ReplayArgs {}
