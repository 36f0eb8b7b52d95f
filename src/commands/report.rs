//! `harness report`: every file again from the raw records.

use std::process::ExitCode;

use crate::cli::ReportArgs;
use crate::pipeline;
use crate::progress::Progress;

use crate::commands::play;

/// Runs the command.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let trouble = pipeline::rebuild(&args.results, play::style(), &Progress::new(false, false))?;
    Ok(ExitCode::from(u8::from(trouble)))
}
