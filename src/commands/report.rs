//! `harness report`: every file again from the raw records, or another report of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::backend::leftovers;
use crate::bucket::Bucket;
use crate::cli::{ExportArg, ReportArgs, TtftArg, WindowArg};
use crate::pipeline;
use crate::progress::Progress;
use crate::schema::report_settings::{ReportSettings, TtftOf, WindowOf};

use crate::commands::resolve::output;
use crate::commands::show::Show;
use crate::commands::upload::{self, Upload};
use crate::commands::{block_on, interrupt, play};

/// Runs the command.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let progress = Progress::new(false, false);
    let address = output::address(&args.upload)?;
    let bucket = block_on(upload::checked(address.as_deref()))?;
    let trouble = make(args, &progress)?;
    match bucket {
        Some(bucket) => block_on(send(args, &bucket, &progress, trouble)),
        None => Ok(ExitCode::from(u8::from(trouble))),
    }
}

/// Uploads what was made: the runs, or the report in a directory of its own.
async fn send(
    args: &ReportArgs,
    bucket: &Bucket,
    progress: &Progress,
    mut trouble: bool,
) -> anyhow::Result<ExitCode> {
    let stop = interrupt::watch_saying(progress.clone(), "interrupted: the upload stops (again: at once)")?;
    let again = args.results.first().cloned().unwrap_or_default();
    let upload = Upload { bucket, progress, stop, again };
    let trees = match &args.output {
        Some(output) => {
            let name = output.canonicalize()?.file_name().unwrap_or_default().to_string_lossy().into_owned();
            vec![(name, pipeline::directory_tree(output)?)]
        }
        None => pipeline::run_trees(&args.results)?,
    };
    for (name, items) in trees {
        trouble |= upload.folder(&name, items).await;
        if *upload.stop.borrow() {
            return Ok(ExitCode::from(interrupt::INTERRUPTED));
        }
    }
    Ok(ExitCode::from(u8::from(trouble)))
}

/// Makes the reports. True where something was wrong with a run or a file.
fn make(args: &ReportArgs, progress: &Progress) -> anyhow::Result<bool> {
    let show = Show::new(progress.clone(), play::style(), None);
    let directory = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => path.parent().map_or_else(PathBuf::new, Path::to_owned),
    };
    leftovers::clean_logs(&args.results.iter().map(directory).collect::<Vec<_>>());
    match (&args.output, args.export) {
        (Some(output), Some(ExportArg::LpgJson)) => {
            pipeline::export_lpg(&args.results, output, &|event| show.event(event))
        }
        (None, _) => pipeline::rebuild(&args.results, &|event| show.event(event)),
        (Some(output), None) => {
            pipeline::report_otherwise(&args.results, &settings(args), output, &|event| show.event(event))
        }
    }
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
