//! Prompts that are made, and prefixes that they share.

use clap::Args;

/// Prompts that are made, and prefixes that they share.
#[derive(Debug, Args)]
#[command(next_help_heading = "Synthetic prompts")]
pub struct SyntheticArgs {}
