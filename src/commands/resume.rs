//! `--resume DIR`: what an earlier try of a plan left to play.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::CompareArgs;
use crate::cluster::Place;
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

use crate::commands::join::{self, Role};
use crate::commands::live::Live;
use crate::commands::play::{self, Parts};
use crate::commands::resolve::server_url::server_url;
use crate::commands::resolve::{output, traffic, workers};
use crate::commands::upload;
use crate::commands::workload::Workload;

/// Plays what is not closed on disk of the plan in `folder`. The plan is taken as it is; a header's value,
/// which no file holds, comes from the command line again. What several workers played the same number of workers plays
/// on: worker 0 knows what is left.
pub async fn resume(folder: &Path, args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let mut plan = plan_of(folder, args)?;
    let place = place_of(folder, &plan, args)?;
    let share = place.as_ref().map_or(Share::ALL, |place| place.share);
    let follows = share.worker > 0;
    let workload = Workload::of_plan(&plan)?;
    let environment = play::look_at_machine();
    // That of the runs is worker 0's.
    if !follows {
        same_machine(folder, &environment)?;
    }
    // Held before it is looked at: who still plays the plan would close a run meanwhile.
    let _held = (!args.output.dry_run && !follows).then(|| pipeline::hold_folder(folder)).transpose()?;
    let closed = pipeline::closed_on_disk(&plan)?;
    refuse_unknown_words(&plan, !closed.keys.is_empty())?;
    if args.output.dry_run {
        play::show_plan(&plan, &closed)?;
        return Ok(ExitCode::SUCCESS);
    }
    fill_headers(&mut plan.http, &traffic::wire(&args.load, None)?)?;
    play::check_limits(&plan, share, &environment)?;
    // Before anything is touched.
    server_api::api_key(&plan.http)?;
    let progress = Progress::new(args.output.quiet, args.output.verbose);
    play::check_output(&plan, &progress)?;
    let bucket = if follows { None } else { upload::checked(plan.output.upload.as_deref()).await? };
    let leader = match place.map(|place| join::join(place, &plan, &environment.hostname, &progress)) {
        None => None,
        Some(joined) => match joined? {
            Role::Leads(others) => Some(others),
            Role::Follows(follower) => {
                return play::follow(follower, (plan, environment), &workload, progress).await;
            }
        },
    };
    play::end_leftovers(&progress)?;
    let live = Live::start(&args.output.live, &environment, &progress)?;
    pipeline::make_room(&closed, &plan, folder, &|what| progress.error(what))?;
    let (tui, hold_s) = (args.output.live.tui, args.output.hold);
    let parts =
        Parts { plan, environment, workload, probe: false, closed, tui, live, bucket, hold_s, leader };
    play::carry_out(parts, progress).await
}

/// The plan of an earlier try, for where its directory lies now.
fn plan_of(folder: &Path, args: &CompareArgs) -> anyhow::Result<Plan> {
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
    Ok(plan)
}

/// Where this worker stands among those that play the plan on: as many as played it before.
fn place_of(folder: &Path, plan: &Plan, args: &CompareArgs) -> anyhow::Result<Option<Place>> {
    let variable = |name: &str| std::env::var(name).ok();
    let place = workers::place(&args.runs.workers, &plan.output.directory, &variable)?;
    let (then, now) = (plan.workers, place.as_ref().map_or(1, |place| place.share.of));
    if then == now {
        return Ok(place);
    }
    let folder = folder.display();
    let cure = match then {
        1 => "leave --workers, --worker and --join out, or begin a new one".to_owned(),
        _ => format!(
            "--resume {folder} --worker 0/{then} --join HOST:PORT here, and {} likewise, each with that directory or a copy of its \
             plan.json; in Slurm --workers auto; or begin a new one",
            if then == 2 { "1/2".to_owned() } else { format!("1/{then} to {}/{then}", then - 1) }
        ),
    };
    let of =
        |workers: u32| if workers == 1 { "one machine".to_owned() } else { format!("{workers} workers") };
    refuse(format!("{folder} was played by {}, and this resumes it with {}", of(then), of(now)), cure)
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
