//! The one place where stages meet: a Plan is played target by target, and everything is saved as it goes.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::backend::guard::Guard;
use crate::progress::Progress;
use crate::report::terminal::Style;
use crate::results;
use crate::schema::comparison::{Comparison, FailedTarget};
use crate::schema::environment::Environment;
use crate::schema::plan::{CommandKind, Plan};
use crate::schema::target::Origin;
use crate::schema::unit::Units;

mod calibrate;
mod derive;
mod launch;
mod play;
mod rebuild;
mod record;
mod reports;

pub use calibrate::calibrate;
pub use rebuild::rebuild;

use derive::Derived;

/// What a plan needs beside itself to be played.
pub struct Session {
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// Measured units.
    pub units: Units,
    /// Warm-up units.
    pub warmup: Units,
    /// The API key, from the variable that the plan names.
    pub api_key: Option<String>,
    /// Asks servers about themselves.
    pub client: reqwest::Client,
    /// This program, started again as the guard.
    pub program: PathBuf,
    /// Send one request to a running server before the load.
    pub probe_running_server: bool,
    /// Talk on stderr.
    pub progress: Progress,
    /// How results look on stdout.
    pub style: Style,
    /// True once the user wants to stop.
    pub interrupt: watch::Receiver<bool>,
}

/// What came of a plan.
pub struct Outcome {
    /// Runs side by side.
    pub comparison: Comparison,
    /// The user stopped it.
    pub interrupted: bool,
}

/// The beginning of a plan's run id: its command, and whether it only pretends.
pub fn run_name(plan: &Plan) -> &'static str {
    match (plan.command, plan.simulated) {
        (CommandKind::Compare, false) => "compare",
        (CommandKind::Compare, true) => "compare_simulated",
        (CommandKind::Run, false) => "run",
        (CommandKind::Run, true) => "run_simulated",
        (CommandKind::Bench, _) => "bench",
    }
}

/// Takes the directory of a comparison and leaves in it what was planned, so that even a run that dies at
/// once says what it was. Its name is the run id.
///
/// # Errors
/// It cannot be written.
pub fn take_folder(plan: &Plan, environment: &Environment) -> anyhow::Result<String> {
    let folder = results::take_directory(&plan.output, run_name(plan), plan.created_at)?;
    let run_id = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let plan = Plan { run_id: run_id.clone(), ..plan.clone() };
    results::write_json(&folder.join("plan.json"), &plan)?;
    results::write_json(&folder.join("environment.json"), environment)?;
    Ok(run_id)
}

/// Plays every target in turn. A target that fails does not lose the others' results.
///
/// # Errors
/// Only what concerns all targets: an output that cannot be written, a guard that does not start.
pub async fn run(session: &Session) -> anyhow::Result<Outcome> {
    let plan = &session.plan;
    let launches = plan.targets.iter().any(|target| matches!(target.origin, Origin::Launch(_)));
    let guard = if launches { Some(Guard::start(&session.program).await?) } else { None };
    let mut runs = Vec::new();
    let mut failed = Vec::new();
    let mut interrupted = false;
    for target in &plan.targets {
        if *session.interrupt.borrow() {
            break;
        }
        match play::play(session, target, guard.as_ref()).await {
            Ok(run) => {
                reports::print_run(&run.file, session.style);
                reports::append_run(&run.file, &plan.output, &session.progress)?;
                runs.push(run);
            }
            Err(failure) => {
                interrupted |= failure.interrupted;
                session.progress.error(&failure.text(&target.label));
                let fatal = failure.fatal;
                let target = failure.of(&target.label);
                reports::append_failure(plan, &target, &session.progress)?;
                failed.push(target);
                if fatal {
                    break;
                }
            }
        }
    }
    if let Some(guard) = guard {
        guard.close().await;
    }
    interrupted |= *session.interrupt.borrow();
    failed.extend(not_reached(plan, &runs, &failed));
    let comparison = reports::compared(plan, &runs, &failed);
    if plan.command == CommandKind::Compare {
        let folder = reports::folder(plan);
        reports::write_folder(&folder, plan, &session.environment, comparison.clone(), &runs)?;
        reports::print_comparison(&comparison, session.style);
        session.progress.say(&format!("files: {}", folder.display()));
    } else {
        reports::print_caveats(&comparison, session.style);
        for run in &runs {
            session.progress.say(&format!("files: {}", run.files.json().display()));
        }
    }
    Ok(Outcome { comparison, interrupted })
}

/// Targets whose turn never came, so that no comparison leaves one out in silence.
fn not_reached(plan: &Plan, runs: &[Derived], failed: &[FailedTarget]) -> Vec<FailedTarget> {
    let has_run = |label: &str| runs.iter().any(|run| run.file.summary.label == label);
    let has_failed = |label: &str| failed.iter().any(|failed| failed.label == label);
    let rest = plan.targets.iter().filter(|target| !has_run(&target.label) && !has_failed(&target.label));
    rest.map(|target| FailedTarget {
        label: target.label.clone(),
        error: "not measured: the run ended before its turn".into(),
        hint: String::new(),
    })
    .collect()
}
