//! `harness dataset import`.

use clap::Args;

/// `dataset import`.
#[derive(Debug, Args)]
pub struct ImportArgs {}
