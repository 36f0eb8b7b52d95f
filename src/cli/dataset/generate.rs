//! `harness dataset generate`.

use clap::Args;

/// `dataset generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {}
