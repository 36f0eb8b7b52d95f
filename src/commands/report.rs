//! `harness report`: every file again from the raw records.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::backend::leftovers;
use crate::cli::ReportArgs;
use crate::pipeline;
use crate::progress::Progress;

use crate::commands::play;
use crate::commands::show::Show;

/// Runs the command.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let show = Show::new(Progress::new(false, false), play::style(), None);
    let directory = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => path.parent().map_or_else(PathBuf::new, Path::to_owned),
    };
    leftovers::clean_logs(&args.results.iter().map(directory).collect::<Vec<_>>());
    let trouble = pipeline::rebuild(&args.results, &|event| show.event(event))?;
    Ok(ExitCode::from(u8::from(trouble)))
}
