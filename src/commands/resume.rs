//! `--resume DIR`: what an earlier try of a plan left to play.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::CompareArgs;
use crate::pipeline;
use crate::progress::Progress;
use crate::results;
use crate::schema::environment::Environment;
use crate::schema::plan::{HttpSettings, Plan};
use crate::schema::refusal::{OrRefuse, refuse};
use crate::schema::synthetic::PromptLaw;
use crate::schema::target::Origin;
use crate::schema::workers::Share;
use crate::server_api;

use crate::commands::live::Live;
use crate::commands::play::{self, Parts};
use crate::commands::resolve::server_url::server_url;
use crate::commands::resolve::{output, traffic};
use crate::commands::upload;
use crate::commands::workload::Workload;

/// Plays what is not closed on disk of the plan in `folder`. The plan is taken as it is; a header's value,
/// which no file holds, comes from the command line again.
pub async fn resume(folder: &Path, args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let mut plan = results::read_plan(&folder.join("plan.json")).or_refuse(
        || format!("cannot resume {}", folder.display()),
        "give the directory that an earlier compare or sweep wrote",
    )?;
    let here = folder.canonicalize().with_context(|| format!("cannot read {}", folder.display()))?;
    if here.file_name() != Some(plan.run_id.as_ref()) {
        return refuse(
            format!("{} was called {} when it was written", folder.display(), plan.run_id),
            "give it that name again: its runs, beside it, bear it too",
        );
    }
    // The results may have been moved since, and the command be given elsewhere.
    let real = here.parent().map(Path::to_owned).unwrap_or_default();
    let typed = folder.parent().filter(|parent| parent.canonicalize().is_ok_and(|parent| parent == real));
    plan.output.directory = typed.map_or_else(|| real.clone(), Path::to_owned);
    plan.strict |= args.output.strict;
    plan.output.upload = output::address(&args.output.upload)?.or(plan.output.upload);
    for target in &plan.targets {
        match &target.origin {
            Origin::Url(_) => {
                for url in target.endpoints() {
                    server_url(&url)?;
                }
            }
            Origin::Launch(_) => {}
        }
    }
    if plan.workers > 1 {
        return refuse(
            format!(
                "{} was played by {} workers, and one that is resumed by one",
                folder.display(),
                plan.workers
            ),
            "begin a new one with --workers",
        );
    }
    let workload = Workload::of_plan(&plan)?;
    let environment = play::look_at_machine();
    same_machine(folder, &environment)?;
    // Held before it is looked at: who still plays the plan would close a run meanwhile.
    let _held = (!args.output.dry_run).then(|| pipeline::hold_folder(folder)).transpose()?;
    let closed = pipeline::closed_on_disk(&plan)?;
    refuse_unknown_words(&plan, !closed.keys.is_empty())?;
    if args.output.dry_run {
        play::show_plan(&plan, &closed)?;
        return Ok(ExitCode::SUCCESS);
    }
    fill_headers(&mut plan.http, &traffic::wire(&args.load, None)?)?;
    play::check_limits(&plan, Share::ALL, &environment)?;
    // Before anything is touched.
    server_api::api_key(&plan.http)?;
    let progress = Progress::new(args.output.quiet, args.output.verbose);
    play::check_output(&plan, &progress)?;
    let bucket = upload::checked(plan.output.upload.as_deref()).await?;
    play::end_leftovers(&progress)?;
    let live = Live::start(&args.output.live, &environment, &progress)?;
    pipeline::make_room(&closed, &plan, folder, &|what| progress.error(what))?;
    let (tui, hold_s) = (args.output.live.tui, args.output.hold);
    let leader = None;
    let parts =
        Parts { plan, environment, workload, probe: false, closed, tui, live, bucket, hold_s, leader };
    play::carry_out(parts, progress).await
}

/// Where the first server that stood told how it counts tokens, another one may stand first now, and the prompts
/// would be others than those of the runs that are closed.
fn refuse_unknown_words(plan: &Plan, any_closed: bool) -> anyhow::Result<()> {
    let Some(spec) = plan.dataset.synthetic.as_ref().filter(|_| any_closed) else { return Ok(()) };
    match (&spec.prompts, &spec.tokenizer) {
        (PromptLaw::Tokens { .. }, None) => refuse(
            "the lengths of its prompts were counted by a server, which may count otherwise now",
            "begin a new comparison, with --tokenizer FILE where it should be resumable",
        ),
        (PromptLaw::Tokens { .. } | PromptLaw::Words { .. }, _) => Ok(()),
    }
}

/// Runs of two machines in one comparison would compare the machines.
fn same_machine(folder: &Path, now: &Environment) -> anyhow::Result<()> {
    let path = folder.join("environment.json");
    let then: Environment = results::read_environment(&path)?;
    let facts = |machine: &Environment| {
        (
            machine.cpu.clone(),
            machine.cores,
            machine.gpus.iter().map(|gpu| gpu.name.clone()).collect::<Vec<_>>(),
        )
    };
    if facts(&then) != facts(now) {
        return refuse(
            format!(
                "{} was measured on another machine ({}, {} cores)",
                folder.display(),
                then.cpu,
                then.cores
            ),
            "resume it there, or begin a new comparison here",
        );
    }
    Ok(())
}

/// Headers' values are never written anywhere, so they are given again.
fn fill_headers(http: &mut HttpSettings, given: &HttpSettings) -> anyhow::Result<()> {
    for header in &mut http.headers {
        let value = given.headers.iter().find(|given| given.name.eq_ignore_ascii_case(&header.name));
        let Some(given) = value else {
            let name = &header.name;
            return refuse(
                format!("the plan sends the header {name}, whose value no file holds"),
                format!("give it again: --header '{name}: value'"),
            );
        };
        header.value.clone_from(&given.value);
    }
    Ok(())
}
