//! `harness report`: every file again from the raw records.

use std::process::ExitCode;

use crate::cli::ReportArgs;
use crate::pipeline;
use crate::progress::Progress;

use crate::commands::play;
use crate::commands::show::Show;

/// Runs the command.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let show = Show::new(Progress::new(false, false), play::style(), None);
    let trouble = pipeline::rebuild(&args.results, &|event| show.event(event))?;
    Ok(ExitCode::from(u8::from(trouble)))
}
