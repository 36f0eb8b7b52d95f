//! The one place where stages meet: a Plan is played target by target, and everything is saved as it goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::guard::Guard;
use crate::progress::Progress;
use crate::report::terminal::Style;
use crate::results;
use crate::schema::backend::Origin;
use crate::schema::comparison::{Comparison, FailedTarget, RunFile};
use crate::schema::environment::Environment;
use crate::schema::plan::{CommandKind, Plan};
use crate::schema::request::Request;

mod derive;
mod launch;
mod play;
mod record;
mod reports;

pub use derive::rebuild;

/// What a plan needs beside itself to be played.
pub struct Session {
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// Measured requests, repeated in order.
    pub requests: Arc<[Request]>,
    /// Warm-up requests, repeated in order.
    pub warmup: Arc<[Request]>,
    /// The API key, from the variable that the plan names.
    pub api_key: Option<String>,
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

/// Plays every target in turn. A target that fails does not lose the others' results.
///
/// # Errors
/// Only what concerns all targets: an output that cannot be written, a guard that does not start or dies.
pub async fn run(session: &Session) -> anyhow::Result<Outcome> {
    let folder = match session.plan.command {
        CommandKind::Compare => Some(results::ComparisonFolder::create(&session.plan, &session.environment)?),
        CommandKind::Run | CommandKind::Bench => None,
    };
    let launches = session.plan.targets.iter().any(|target| matches!(target.origin, Origin::Launch(_)));
    let guard = if launches { Some(Guard::start(&session.program).await?) } else { None };
    let mut runs = Vec::new();
    let mut failed = Vec::new();
    let mut interrupted = false;
    for target in &session.plan.targets {
        if *session.interrupt.borrow() {
            interrupted = true;
            break;
        }
        match play::play(session, target, guard.as_ref(), folder.as_ref()).await {
            Ok(run) => {
                reports::print_run(&run.file.summary, session.style);
                reports::append_summary_row(session, &run.file)?;
                runs.push(run);
            }
            Err(failure) => {
                interrupted |= failure.interrupted;
                session.progress.say(&failure.text(&target.label));
                reports::append_failure_row(session, target)?;
                failed.push(FailedTarget {
                    label: target.label.clone(),
                    error: failure.what,
                    hint: failure.hint.unwrap_or_default(),
                });
                if failure.fatal {
                    break;
                }
            }
        }
    }
    if let Some(guard) = guard {
        guard.close().await;
    }
    interrupted |= *session.interrupt.borrow();
    let comparison = reports::finish(session, folder.as_ref(), runs, failed)?;
    Ok(Outcome { comparison, interrupted })
}

/// One run, read back from its records: what comparisons and pictures are made of.
pub struct Derived {
    /// The run's file, whole.
    pub file: RunFile,
    /// TTFT of each completed request, ms.
    pub ttft_ms: Vec<f64>,
    /// Where the run's file lies.
    pub path: PathBuf,
}

/// True where an existing path lies below the directory of outputs.
fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}
