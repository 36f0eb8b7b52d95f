//! `harness report`: every file again from the raw records, or another report of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::backend::leftovers;
use crate::cli::{ExportArg, ReportArgs, TtftArg, WindowArg};
use crate::pipeline;
use crate::progress::Progress;
use crate::schema::report_settings::{ReportSettings, TtftOf, WindowOf};

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
    let trouble = match (&args.output, args.export) {
        (Some(output), Some(ExportArg::LpgJson)) => {
            pipeline::export_lpg(&args.results, output, &|event| show.event(event))?
        }
        (None, _) => pipeline::rebuild(&args.results, &|event| show.event(event))?,
        (Some(output), None) => {
            pipeline::report_otherwise(&args.results, &settings(args), output, &|event| show.event(event))?
        }
    };
    Ok(ExitCode::from(u8::from(trouble)))
}

fn settings(args: &ReportArgs) -> ReportSettings {
    let window = match args.window {
        None | Some(WindowArg::Whole) => WindowOf::Whole,
        Some(WindowArg::Steady) => WindowOf::Steady,
        Some(WindowArg::Between(from_s, to_s)) => WindowOf::Between { from_s, to_s },
    };
    let ttft = match args.ttft {
        None | Some(TtftArg::FirstToken) => TtftOf::FirstToken,
        Some(TtftArg::FirstEvent) => TtftOf::FirstEvent,
        Some(TtftArg::FirstAnswerToken) => TtftOf::FirstAnswerToken,
        Some(TtftArg::FromDue) => TtftOf::FromDue,
    };
    ReportSettings { baseline: args.baseline.clone(), window, ttft }
}
