//! `harness dataset`: prompts in, prompts out.

mod generate;
mod import;
mod stats;

use std::process::ExitCode;

use crate::cli::{DatasetArgs, DatasetCommand};

/// `harness dataset`
pub fn dataset(args: &DatasetArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        DatasetCommand::Generate(args) => generate::generate(args),
        DatasetCommand::Import(args) => import::import(args),
        DatasetCommand::Stats(args) => stats::stats(args),
    }
}
