//! A resolved plan → played, or shown; and what its outcome means as an exit code.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::backend::leftovers;
use crate::bucket::Bucket;
use crate::cli::{FairnessArg, LoadArgs, OutputArgs, RunsArgs};
use crate::cluster::{Follower, Leader};
use crate::dataset;
use crate::environment;
use crate::load;
use crate::pipeline::forecast::Forecast;
use crate::pipeline::{self, ClosedOnDisk, Event, Exported, Outcome, Session};
use crate::progress::{Progress, print};
use crate::report::objective;
use crate::report::terminal::Style;
use crate::results::{self, TakenId};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use crate::schema::environment::Environment;
use crate::schema::fairness::{FairnessMode, Finding};
use crate::schema::objective::{Limit, Search};
use crate::schema::plan::{Export, HttpSettings, Launching, Plan, Skipped};
use crate::schema::refusal::{refuse, shown};
use crate::schema::sensing::Sensing;
use crate::schema::summary::{RequestCounts, RunSummary};
use crate::schema::target::Target;
use crate::schema::text::write_json_indented;
use crate::schema::workers::Share;
use crate::server_api;

use crate::commands::course::Course;
use crate::commands::join::{self, Role};
use crate::commands::live::Live;
use crate::commands::resolve::{
    body, conversations, objectives, output, protocol, replay, scenarios, search, traffic, workers,
};
use crate::commands::show::{self, Show};
use crate::commands::tui::Tui;
use crate::commands::upload::{self, Upload};
use crate::commands::workload::{self, Workload};
use crate::commands::{calibrated, hold, interrupt, title};

/// The widest that a table is drawn, columns.
const WIDEST: usize = 120;

/// What the targets of a plan are, beside its traffic.
pub struct Targets {
    /// Title of the plan: the command.
    pub title: String,
    /// Servers in the order of play.
    pub targets: Vec<Target>,
    /// Where and how requests go.
    pub http: HttpSettings,
    /// Backends that are not here.
    pub skipped: Vec<Skipped>,
    /// How servers are launched; none: they already run.
    pub launching: Option<Launching>,
    /// `bench --probe`
    pub probe: bool,
    /// `--simulate`
    pub simulated: bool,
    /// A search for the highest load.
    pub search: Option<Search>,
}

/// Plays the plan that the arguments make, and says how it went.
pub async fn play(
    mut targets: Targets,
    load_args: &LoadArgs,
    runs: &RunsArgs,
    output: &OutputArgs,
    mut workload: Workload,
    environment: Environment,
) -> anyhow::Result<ExitCode> {
    let created_at = jiff::Timestamp::now();
    let place = workers::place(&runs.workers, &output.output, &|name| std::env::var(name).ok())?;
    protocol::adapt(&mut targets.targets, &targets.http, load_args)?;
    protocol::speak_natively(&mut targets.targets, &mut targets.http, load_args)?;
    body::change_bodies(&mut targets.targets, load_args, targets.http.protocol)?;
    workload.check_texts(&targets.http)?;
    workload.find_tokenizer(&targets.targets, traffic::seeds(load_args));
    let sweeps = targets.title == title::SWEEP;
    let mut own_turns = false;
    let loads = match (&targets.search, workload.replay()) {
        (Some(_), Some(_)) => {
            return refuse(
                "a search sets the rate, and --trace brings its own times",
                "leave --trace out, or play it at several --speed",
            );
        }
        (None, Some(_)) if !load_args.scenarios.is_empty() => {
            return refuse("--scenarios and --trace both say what is played", "leave one of them out");
        }
        (None, Some(replayed)) => replay::loads(load_args, sweeps, replayed)?,
        (Some(search), None) => vec![search::first_load(search, load_args, workload.size())?],
        (None, None) if !load_args.scenarios.is_empty() => {
            let own = scenarios::loads(load_args, workload.size(), &targets.http)?;
            own_turns = own.several_turns;
            own.loads
        }
        (None, None) => traffic::loads(load_args, sweeps, workload.size())?,
    };
    let runs_of_one = loads.len() * (runs.rounds * runs.repeats) as usize;
    let labels: Vec<String> = targets.targets.iter().map(|target| target.label.clone()).collect();
    let mut plan = Plan {
        skipped: targets.skipped,
        seed: traffic::arrival_seed(load_args),
        seeds: traffic::seeds(load_args),
        conversations: conversations::conversations(load_args),
        split: conversations::split(load_args)?,
        client_threads: traffic::client_threads(load_args.client_threads)?,
        workers: place.as_ref().map_or(1, |place| place.share.of),
        sampling: traffic::sampling(load_args),
        http: targets.http,
        dataset: workload.source.clone(),
        launching: targets.launching,
        scrape_interval_s: load_args.sensing.scrape_interval,
        sensing: Sensing {
            gpu_interval_s: load_args.sensing.gpu_interval,
            host_interval_s: load_args.sensing.host_interval,
        },
        output: output::output(output, sweeps || targets.title == title::COMPARE || runs_of_one > 1)?,
        strict: output.strict,
        fairness: match runs.fairness {
            FairnessArg::Strict => FairnessMode::Strict,
            FairnessArg::Warn => FairnessMode::Warn,
            FairnessArg::Off => FairnessMode::Off,
        },
        simulated: targets.simulated,
        command: output.command.clone(),
        search: targets.search,
        title: targets.title,
        until_sure_pct: until_sure(runs, &targets.targets)?,
        rounds: if runs.until_sure.is_some() { runs.rounds_max } else { runs.rounds },
        repeats: runs.repeats,
        baseline: baseline(runs, &targets.targets)?,
        objectives: objectives::objectives(&runs.goals.slo)?,
        prices_per_hour: objectives::prices(&runs.goals.price_per_hour, &labels)?,
        ..Plan::of(created_at, targets.targets, loads)
    };
    plan.run_id = plan.new_run_id();
    objectives::refuse_unknowable(&plan)?;
    if plan.split.is_some() && plan.launches() {
        return refuse(
            "--models is for a server that already runs, and this one is launched with one model",
            "harness bench --url http://… --models a,b",
        );
    }
    let units = workload.units(&plan, workload.synthesis(&plan).as_ref())?;
    conversations::check(load_args, own_turns || !units.single_turns())?;
    let own_turns = own_turns && plan.conversations.most_turns != Some(1);
    plan.conversations.several_turns = own_turns || !dataset::shaped(units, &plan).single_turns();
    if output.dry_run {
        show_plan(&plan, &ClosedOnDisk::default())?;
        return Ok(ExitCode::SUCCESS);
    }
    check_limits(&plan, place.as_ref().map_or(Share::ALL, |place| place.share), &environment)?;
    server_api::api_key(&plan.http)?;
    let progress = Progress::new(output.quiet, output.verbose);
    check_output(&plan, &progress)?;
    let follows = place.as_ref().is_some_and(|place| place.share.worker > 0);
    // Worker 0 has all records, and copies them.
    let bucket = if follows { None } else { upload::checked(plan.output.upload.as_deref()).await? };
    if place.is_none() && runs.workers.workers.is_some() {
        progress.say("--workers: there is but one, so this process plays all of the load");
    }
    let mut leader = None;
    if let Some(place) = place {
        match join::join(place, &plan, &environment.hostname, &progress)? {
            Role::Leads(others) => leader = Some(others),
            Role::Follows(follower) => {
                return follow(follower, (plan, environment), &workload, progress).await;
            }
        }
    }
    let live = Live::start(&output.live, &environment, &progress)?;
    end_leftovers(&progress)?;
    let mut _taken = None;
    if plan.output.folder {
        plan.run_id = pipeline::take_folder(&plan, &environment)?;
    } else {
        let taken = TakenId::take(&plan.output.directory, &plan.run_name(), plan.created_at)?;
        plan.run_id.clone_from(&taken.run_id);
        _taken = Some(taken);
    }
    let _held = plan.folder().map(|folder| pipeline::hold_folder(&folder)).transpose()?;
    for skipped in &plan.skipped {
        progress.say(&format!("skipping {}: {} ({})", skipped.label, skipped.reason, skipped.hint));
    }
    let (closed, tui, hold_s) = (ClosedOnDisk::default(), output.live.tui, output.hold);
    let probe = targets.probe;
    let parts = Parts { plan, environment, workload, probe, closed, tui, live, bucket, hold_s, leader };
    carry_out(parts, progress).await
}

/// `--baseline` is the label of a backend that is measured.
fn baseline(runs: &RunsArgs, targets: &[Target]) -> anyhow::Result<Option<String>> {
    let Some(named) = &runs.baseline else { return Ok(None) };
    let labels: Vec<&str> = targets.iter().map(|target| target.label.as_str()).collect();
    if !labels.contains(&named.as_str()) {
        return refuse(
            format!("--baseline {named}: no such backend here"),
            format!("one of {}", labels.join(", ")),
        );
    }
    Ok(Some(named.clone()))
}

/// `--until-sure` compares: with one backend it would never end.
fn until_sure(runs: &RunsArgs, targets: &[Target]) -> anyhow::Result<Option<f64>> {
    if runs.until_sure.is_some() && targets.len() < 2 {
        return refuse("--until-sure needs two backends to compare", "give --rounds N instead");
    }
    Ok(runs.until_sure)
}

/// A plan that is ready to be played.
pub struct Parts {
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// What is asked.
    pub workload: Workload,
    /// `bench --probe`
    pub probe: bool,
    /// What an earlier try closed.
    pub closed: ClosedOnDisk,
    /// `--tui`
    pub tui: bool,
    /// What tells of it while it runs.
    pub live: Option<Live>,
    /// Where its results are copied to.
    pub bucket: Option<Bucket>,
    /// `--hold`, s.
    pub hold_s: Option<f64>,
    /// The other workers.
    pub leader: Option<Arc<Leader>>,
}

/// Plays a plan, shows it, and says how it went.
pub async fn carry_out(parts: Parts, progress: Progress) -> anyhow::Result<ExitCode> {
    let session = Session {
        program: Some(std::env::current_exe().context("cannot tell where this program lies")?),
        probe_running_server: parts.probe,
        closed: parts.closed,
        leader: parts.leader,
        ..session(parts.plan, parts.environment, &parts.workload)?
    };
    for line in workload::lines(&session.plan, session.synthesis.as_ref()) {
        progress.say(&line);
    }
    for line in parts.workload.trace_lines() {
        progress.say(&line);
    }
    let shutdown = interrupt::watch(progress.clone())?;
    let past = pipeline::past_runs(&session.plan).unwrap_or_default();
    let forecast = Forecast::new(&session.plan, &past);
    let tui = match parts.tui {
        true => {
            let course = Course::new(Some(forecast.clone()));
            Some(Tui::start(&session.plan, &session.environment, course, shutdown.clone())?)
        }
        false => None,
    };
    let progress = if tui.is_some() { progress.without_live_lines() } else { progress };
    let show = Show::new(progress.clone(), style(), Some(forecast));
    let listen = |event: Event<'_>| {
        if let Some(live) = &parts.live {
            live.event(&event);
        }
        tui.iter().for_each(|tui| tui.event(&event));
        show.event(event);
    };
    let outcome = pipeline::run(&session, &listen, shutdown.clone()).await;
    // The picture gives the terminal back, whatever came of it.
    drop(tui);
    let outcome = outcome?;
    let nothing = |requests: &RequestCounts| requests.completed == 0 && requests.failed == 0;
    for run in outcome.comparison.runs.iter().filter(|run| nothing(&run.requests)) {
        let (label, requests) = (&run.key.label, &run.requests);
        show.error(&format!("{label}: nothing was measured: of {} requests none completed", requests.issued));
    }
    for missed in missed(&outcome.comparison) {
        show.error(&missed);
    }
    let exported = match session.plan.output.export {
        Some(Export::LpgJson) => pipeline::export_plan(&session.plan, &|event| show.event(event)),
        None => Ok(Exported::default()),
    };
    let exported = exported.unwrap_or_else(|error| {
        show.error(&format!("error: {}", shown(&error)));
        Exported { trouble: true, ..Exported::default() }
    });
    let mut unsaved = exported.trouble;
    if let Some(bucket) = &parts.bucket {
        let again = session.plan.folder().unwrap_or_else(|| session.plan.output.directory.clone());
        let upload = Upload { bucket, progress: &progress, stop: shutdown.clone(), again };
        unsaved |= upload.plan(&session.plan, &exported.files).await;
    }
    // Whoever stops the upload wants the command to end.
    let interrupted = outcome.interrupted | *shutdown.borrow();
    let outcome = Outcome { unsaved: outcome.unsaved | unsaved, interrupted, ..outcome };
    let code = exit_code(&outcome, session.plan.strict, session.plan.fairness);
    if let (Some(hold_s), false) = (parts.hold_s, outcome.interrupted) {
        hold::hold(hold_s, &session.plan.output.directory, &progress, shutdown).await;
    }
    Ok(ExitCode::from(code))
}

/// Plays a worker's shares of a plan, as worker 0 orders.
pub async fn follow(
    follower: Follower,
    (plan, environment): (Plan, Environment),
    workload: &Workload,
    progress: Progress,
) -> anyhow::Result<ExitCode> {
    let session = session(plan, environment, workload)?;
    let show = Show::new(progress.clone(), style(), None);
    join::follow(follower, &session, &show, progress).await
}

/// A plan and what its workload makes for it.
fn session(plan: Plan, environment: Environment, workload: &Workload) -> anyhow::Result<Session> {
    let synthesis = workload.synthesis(&plan);
    let units = workload.units(&plan, synthesis.as_ref())?;
    Ok(Session { synthesis, ..Session::new(plan, environment, units)? })
}

/// The plan as JSON with the visits in which it would be played, and the same in words on stderr.
pub fn show_plan(plan: &Plan, closed: &ClosedOnDisk) -> anyhow::Result<()> {
    let visits = pipeline::visits(plan, &closed.keys.iter().cloned().collect());
    let mut shown = serde_json::to_value(plan)?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("visits".to_owned(), visits.iter().map(show::visit_json).collect());
    }
    let mut json = Vec::new();
    write_json_indented(&mut json, &shown)?;
    print(&String::from_utf8_lossy(&json));
    if plan.most_runs() > 1 {
        let progress = Progress::new(false, false);
        for line in show::plan_lines(plan, &visits) {
            progress.say(&line);
        }
    }
    Ok(())
}

/// How results look on this stdout.
pub fn style() -> Style {
    let terminal = std::io::stdout().is_terminal();
    let width = if terminal { terminal_width() } else { 80 };
    Style { width, colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
}

fn terminal_width() -> usize {
    let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| usize::from(size.ws_col));
    width.clamp(60, WIDEST)
}

/// The results can be written, and what goes into plans and commands is text.
pub fn check_output(plan: &Plan, progress: &Progress) -> anyhow::Result<()> {
    let here = std::env::current_dir().context("the working directory cannot be told")?;
    let directory = here.join(&plan.output.directory);
    let named = [
        ("the output directory", Some(&directory)),
        ("--ca-file", plan.http.ca_file.as_ref()),
        ("--url", plan.http.unix_socket.as_ref()),
    ];
    for (what, path) in named {
        if let Some(path) = path.filter(|path| path.to_str().is_none()) {
            return refuse(
                format!("the name of {what} is not UTF-8: {}", path.display()),
                "rename it, or give another",
            );
        }
    }
    if plan.launches() && here.to_str().is_none() {
        return refuse(
            format!("the name of the working directory is not UTF-8: {}", here.display()),
            "rename it, or start from another",
        );
    }
    if let Some(warning) = results::check_writable(&plan.output.directory, pipeline::summary_file(plan))? {
        progress.error(&warning);
    }
    Ok(())
}

/// Open files enough for this machine's share of the largest load.
pub fn check_limits(plan: &Plan, share: Share, environment: &Environment) -> anyhow::Result<()> {
    let needed = plan.loads.iter().map(|load| load::open_files_needed(load, share)).max().unwrap_or(0);
    let (soft, hard) = environment.open_files;
    if needed > soft {
        bail!(
            "the plan needs {needed} open files, and the limit is {soft} (hard limit {hard})\n\
             hint: lower --concurrency, or raise the limit: ulimit -n {needed}"
        );
    }
    Ok(())
}

/// Servers of a harness that was killed together with its guard are ended before new ones are measured.
pub fn end_leftovers(progress: &Progress) -> anyhow::Result<()> {
    for leftover in leftovers::find() {
        progress.say(&format!("ending a server left over from an earlier run: {leftover}"));
        leftovers::stop(&leftover)?;
    }
    Ok(())
}

/// A line for each run of a single load that missed an objective. Where several loads are played, some are meant to
/// be beyond what a server can carry.
fn missed(comparison: &Comparison) -> Vec<String> {
    if !comparison.limits.is_empty() {
        let none = |limit: &&Limit| limit.value.is_none() && limit.unfinished.is_none();
        let line = |limit: &Limit| format!("{}: no load was found that meets the objectives", limit.label);
        return comparison.limits.iter().filter(none).map(line).collect();
    }
    if comparison.loads.len() > 1 {
        return Vec::new();
    }
    let line = |run: &RunSummary| {
        let missed: Vec<String> = run.missed().map(objective::result).collect();
        (!missed.is_empty()).then(|| format!("{}: objective missed: {}", run.key.label, missed.join("; ")))
    };
    comparison.runs.iter().filter_map(line).collect()
}

/// 0 all well; 1 a request or a backend failed, a run completed no request or missed an objective, under `--strict` a
/// result that is not valid, or under `--fairness strict` servers that did not get the same work.
fn exit_code(outcome: &Outcome, strict: bool, fairness: FairnessMode) -> u8 {
    if outcome.interrupted {
        return interrupt::INTERRUPTED;
    }
    let comparison = &outcome.comparison;
    let failed = outcome.unsaved
        || !comparison.failed.is_empty()
        || comparison.runs.iter().any(|run| run.partial.is_some())
        // A search goes beyond what a server can carry.
        || (comparison.limits.is_empty() && comparison.knees.is_empty() && comparison.runs.iter().any(|run| run.requests.failed > 0))
        || !missed(comparison).is_empty()
        // Nothing measured is no success, whatever became of it instead.
        || comparison.runs.iter().any(|run| run.requests.completed == 0);
    let caveats = comparison.runs.iter().flat_map(|run| &run.caveats).chain(&comparison.caveats);
    let invalid = strict && caveats.into_iter().any(Caveat::is_invalid);
    let mut rows = comparison.fairness.iter().flat_map(|fairness| &fairness.rows);
    let unfair = fairness == FairnessMode::Strict && rows.any(|row| row.finding == Finding::NotComparable);
    u8::from(failed || invalid || unfair)
}

/// The machine, with the limit of open files raised first.
pub fn look_at_machine() -> Environment {
    environment::raise_open_files();
    let mut environment = environment::look();
    environment.exact_up_to = calibrated::limit(&environment);
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_was_the_limit_fails_under_strict_alone_and_a_lesser_doubt_never() {
        let code = |caveat: Caveat, strict| {
            let comparison = Comparison {
                run_id: "bench".into(),
                runs: Vec::new(),
                loads: Vec::new(),
                groups: Vec::new(),
                failed: Vec::new(),
                skipped: Vec::new(),
                caveats: vec![caveat],
                baseline: None,
                pairs: Vec::new(),
                rule: None,
                fairness: None,
                limits: Vec::new(),
                knees: Vec::new(),
            };
            exit_code(&Outcome { comparison, interrupted: false, unsaved: false }, strict, FairnessMode::Warn)
        };
        let limited = || Caveat::ClientLimited { reason: "send delay p99 is 3 ms".into() };
        assert_eq!((code(limited(), false), code(limited(), true)), (0, 1));
        let beyond = || Caveat::BeyondCalibration { what: "4 in flight, exact up to 2".into() };
        assert_eq!((code(beyond(), false), code(beyond(), true)), (0, 0));
    }
}
