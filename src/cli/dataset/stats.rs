//! `harness dataset stats`.

use clap::Args;

/// `dataset stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {}
