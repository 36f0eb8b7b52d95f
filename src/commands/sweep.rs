//! `harness sweep`: several loads on each launch, in the order in which they are given.

use std::process::ExitCode;

use crate::cli::{BenchArgs, CompareArgs, SweepArgs};
use crate::progress::Progress;
use crate::schema::refusal::refuse;

use crate::commands::resolve::search;
use crate::commands::title;
use crate::commands::{bench, compare};

/// Runs the command: over backends that are launched, or over one server that already runs.
pub fn sweep(mut args: SweepArgs) -> anyhow::Result<ExitCode> {
    let progress = Progress::new(args.output.quiet, args.output.verbose);
    for note in &args.scenarios.notes {
        progress.say(note);
    }
    args.load.concurrency.append(&mut args.scenarios.concurrent_tests);
    match (args.url.first(), args.backend.is_empty() && args.resume.is_none()) {
        (Some(_), _) => {
            let search = search::asked(&args)?;
            bench::measure(bench_args(args)?, title::SWEEP, search)
        }
        (None, false) => {
            let search = search::asked(&args)?;
            compare::launch(compare_args(args), title::SWEEP, search)
        }
        (None, true) => refuse(
            "sweep needs backends or a server",
            "harness sweep --backend all --concurrency 1,2,4,8, or --url http://…",
        ),
    }
}

fn compare_args(args: SweepArgs) -> CompareArgs {
    CompareArgs {
        backend: args.backend,
        resume: args.resume,
        launch: args.launch,
        load: args.load,
        runs: args.runs,
        output: args.output,
    }
}

fn bench_args(args: SweepArgs) -> anyhow::Result<BenchArgs> {
    let [backend, model] =
        [("--backend", &args.backend), ("--model", &args.launch.model)].map(|(flag, values)| {
            match values.as_slice() {
                [] => Ok(None),
                [one] => Ok(Some(one.clone())),
                [..] => Err(flag),
            }
        });
    let (backend, model) = match (backend, model) {
        (Ok(backend), Ok(model)) => (backend, model),
        (Err(flag), _) | (_, Err(flag)) => {
            return refuse(format!("{flag} takes one value where --url names one server"), "give one");
        }
    };
    Ok(BenchArgs {
        url: args.url,
        backend,
        model,
        probe: false,
        backends_dir: args.launch.backends_dir,
        load: args.load,
        runs: args.runs,
        output: args.output,
    })
}
