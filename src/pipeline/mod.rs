//! The one place where stages meet: a Plan is played visit by visit, and everything is saved as it goes.
//! It is silent: what happens is told as [`Event`]s to whoever listens.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, bail};
use tokio::sync::watch;

use crate::backend::guard::Guard;
use crate::results;
use crate::schema::comparison::Comparison;
use crate::schema::environment::Environment;
use crate::schema::plan::{Plan, RunKey};
use crate::schema::refusal::{refuse, with_cures};

mod before_load;
mod calibrate;
mod check;
mod client_threads;
mod closed;
mod cut_short;
mod derive;
mod event;
mod export;
mod facts;
mod failure;
#[cfg(test)]
mod fixture;
mod follow;
pub mod forecast;
mod gpu_feed;
mod gpu_idle;
mod gpu_memory;
mod gpu_patience;
mod gpu_watch;
mod kept;
mod lead;
mod lengths;
mod live_figures;
mod live_latencies;
mod measure;
mod merge;
mod merge_found;
mod merge_indices;
mod merge_lost;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod merge_tests;
mod merged_plan;
mod missing;
mod one_run;
mod orders;
mod other_report;
mod own_units;
mod pauses;
mod phases;
mod play_share;
mod probe_set;
mod rebuild;
mod record;
mod reports;
mod requests_file;
mod resume;
mod rows;
mod run_tree;
mod sample;
mod search;
mod sensed;
mod serve;
mod server_count;
mod server_tree;
mod session;
mod shown;
mod side;
mod standing;
mod sure;
mod trend;
mod turns;
mod visits;
mod watch_load;
mod worker_parts;

pub use calibrate::calibrate;
pub use check::{Asked, LabelPair, check};
pub use event::{Event, Listener};
pub use export::{Exported, export_lpg, export_plan};
pub use failure::{Failure, Reach};
pub use follow::follow;
pub use live_figures::LiveFigures;
pub use merge::merge_parts;
pub use orders::Followed;
pub use other_report::report_otherwise;
pub use own_units::OwnUnits;
pub use rebuild::rebuild;
pub use resume::{ClosedOnDisk, closed_on_disk, make_room};
pub use rows::summary_file;
pub use run_tree::{directory_tree, run_tree, run_trees};
pub use session::Session;
pub use trend::trend;
pub use visits::{Visit, visits};

use closed::{Closed, grown};
use gpu_patience::GpuPatience;
use gpu_watch::GpuCare;
use missing::missing;
use session::Stage;

/// What came of a plan.
pub struct Outcome {
    /// Runs side by side.
    pub comparison: Comparison,
    /// The user stopped it.
    pub interrupted: bool,
    /// A file of the results could not be written: what, and the cure, was told.
    pub unsaved: bool,
}

/// Takes the directory in which a plan's runs are put side by side, and leaves in it what was planned, so
/// that even a run that dies at once says what it was. Its name is the run id.
///
/// # Errors
/// It cannot be written.
pub fn take_folder(plan: &Plan, environment: &Environment) -> anyhow::Result<String> {
    let folder = results::take_directory(&plan.output.directory, &plan.run_name(), plan.created_at)?;
    let run_id = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let plan = Plan { run_id: run_id.clone(), ..plan.clone() };
    results::write_json(&folder.join("plan.json"), &plan)?;
    results::write_json(&folder.join("environment.json"), environment)?;
    Ok(run_id)
}

/// Holds the directory of a plan for as long as the plan is played: what this gives back is its lock.
///
/// # Errors
/// Somebody else is playing it, or its plan cannot be read.
pub fn hold_folder(folder: &Path) -> anyhow::Result<File> {
    match try_hold(folder)? {
        Some(file) => Ok(file),
        None => refuse(
            format!("{} is still being played by another harness", folder.display()),
            "wait for its end, or stop it with Ctrl-C and resume then",
        ),
    }
}

/// The lock of a plan's directory; none where somebody else plays the plan.
fn try_hold(folder: &Path) -> anyhow::Result<Option<File>> {
    let path = folder.join("plan.json");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // Some network disks know no locks.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => Ok(Some(file)),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Earlier runs beside which the plan's rows will stand, oldest first: what they took tells about how long it takes.
///
/// # Errors
/// The file of all runs is there and cannot be read.
pub fn past_runs(plan: &Plan) -> anyhow::Result<Vec<results::PastRun>> {
    results::past_runs(&plan.output.directory, summary_file(plan))
}

/// Plays every visit of a plan in turn, but for the runs that are closed already. A target that fails
/// does not lose the others' results. `shutdown` turns true once the user wants to stop: what was measured
/// by then is saved.
///
/// # Errors
/// Only what concerns all targets: a plan with nothing in it, an output that cannot be written, a guard that does
/// not start, and servers to launch without the program that would be their guard.
pub async fn run(
    session: &Session,
    listen: Listener<'_>,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let Some(leader) = &session.leader else { return run_here(session, listen, shutdown).await };
    let (all, stop) = watch::channel(false);
    let outcome = tokio::select! {
        outcome = run_here(session, listen, stop) => outcome,
        () = lead::hear_stops(leader, shutdown, all) => bail!("the plan lost its signals"),
    };
    leader.end(outcome.as_ref().is_ok_and(|outcome| outcome.interrupted)).await;
    outcome
}

async fn run_here(
    session: &Session,
    listen: Listener<'_>,
    shutdown: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let plan = &session.plan;
    if plan.loads.is_empty() || plan.targets.is_empty() {
        bail!("a plan without a load or a target has nothing to measure");
    }
    // It stands in every file, and is refused when it is read back.
    results::check_run_id(&plan.run_id)?;
    let mut closed = Closed::of_disk(session, listen, shutdown.clone())?;
    let keys: BTreeSet<RunKey> = closed.runs.iter().map(|run| run.key().clone()).collect();
    // What was closed earlier may be enough already.
    let enough = sure::stops_after(plan, &sure::summaries(&closed), &closed.failed).unwrap_or(plan.rounds);
    let visits: Vec<Visit> = visits(plan, &keys).into_iter().filter(|visit| visit.round <= enough).collect();
    let visits: Vec<Visit> = match plan.search {
        Some(_) => visits
            .into_iter()
            .filter(|visit| search::next(plan, &visit.label, &closed.loads, &closed.runs).is_some())
            .collect(),
        None => visits,
    };
    listen(Event::Planned { plan, visits: &visits });
    let guard = match plan.launches() && !visits.is_empty() {
        true => Some(Guard::start(session.guard_program()?).await?),
        false => None,
    };
    let gpu_patience = GpuPatience::default();
    let stage = Stage { session, guard: guard.as_ref(), listen, shutdown: shutdown.clone(), gpu_patience };
    let played = play(&stage, &visits, &mut closed).await;
    if let Some(guard) = guard {
        guard.close().await;
    }
    let interrupted = played | *shutdown.borrow();
    let played = closed.runs.iter().map(|run| run.key().clone()).collect();
    let plan = &Plan { run_id: plan.run_id.clone(), ..grown(plan, &closed.runs).clone() };
    let as_played = sure::as_played(plan, &sure::summaries(&closed), &closed.failed);
    closed.failed.extend(missing(&as_played, &played, &closed.failed, "the run ended before its turn"));
    let comparison = reports::compared(plan, &closed.runs, &closed.failed);
    let folder = plan.folder();
    let written = folder.as_ref().map_or(Ok(()), |folder| {
        reports::write_folder(folder, plan, &session.environment, comparison.clone(), &closed.runs)
    });
    listen(Event::Compared { comparison: &comparison, folder: folder.as_deref() });
    let mut unsaved = closed.rows.finish();
    for error in written.err().into_iter().flatten() {
        unsaved = true;
        let cure = format!("make room for it, then: harness report {}", plan.output.directory.display());
        listen(Event::Trouble(&with_cures(format!("error: {error:#}"), [cure.as_str()])));
    }
    Ok(Outcome { comparison, interrupted, unsaved })
}

/// Plays the visits until the last, a stop, or what makes all others impossible. True: the user stopped it.
async fn play(stage: &Stage<'_>, visits: &[Visit], closed: &mut Closed<'_>) -> bool {
    let mut gpus = GpuCare::of(&stage.session.plan);
    for (place, visit) in visits.iter().enumerate() {
        if *stage.shutdown.borrow() {
            return true;
        }
        if lead::is_broken(stage) {
            return false;
        }
        let failure = serve::serve(stage, visit, &mut gpus, closed).await.err();
        let reach = failure.map_or(Reach::Target, |failure| told(stage, visit, &failure, closed));
        match reach {
            Reach::Target => {}
            Reach::Interrupted => return true,
            Reach::Everything => return false,
        }
        let ends_round = visits.get(place + 1).is_none_or(|next| next.round != visit.round);
        if ends_round && !*stage.shutdown.borrow() && sure::look(stage, visit.round, closed) {
            return false;
        }
    }
    false
}

/// A visit that gave no run, or not all of its runs: it is told and kept.
fn told(stage: &Stage<'_>, visit: &Visit, failure: &Failure, closed: &mut Closed<'_>) -> Reach {
    (stage.listen)(Event::Failed { label: &visit.label, failure });
    let failed = failure.of(&visit.label, visit.round);
    closed.rows.put_failure(&stage.session.plan, &failed);
    closed.failed.push(failed);
    failure.reach
}
