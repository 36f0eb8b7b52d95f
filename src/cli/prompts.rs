//! How a file of prompts in another tool's form is read.

use clap::Args;

use super::dataset::{FormatArg, TurnsArg};

/// How files of prompts are read: that of `--dataset`, those of scenarios.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompts")]
pub struct PromptArgs {
    /// Form of the file of prompts: --dataset's, a scenario's [default: by its content]
    #[arg(long, value_enum)]
    pub dataset_format: Option<FormatArg>,
    /// Which turns of ShareGPT's conversations become a prompt [default: first-user]
    #[arg(long, value_enum)]
    pub dataset_turns: Option<TurnsArg>,
}
