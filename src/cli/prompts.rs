//! How a file of prompts in another tool's form is read.

use clap::Args;

use super::dataset::{FormatArg, TurnsArg};

/// How the file of `--dataset` is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompts")]
pub struct PromptArgs {
    /// Form of --dataset's file [default: by its content]
    #[arg(long, value_enum, requires = "dataset")]
    pub dataset_format: Option<FormatArg>,
    /// Which turns of ShareGPT's conversations become a prompt [default: first-user]
    #[arg(long, value_enum, requires = "dataset")]
    pub dataset_turns: Option<TurnsArg>,
}
