//! What a launch that failed tells: what happened, its root cause, what to do, and the log's lines.

use std::path::PathBuf;
use std::time::Duration;

use crate::backend::guard::{Ended, Refused};
use crate::backend::launch::diagnosis::{Diagnosis, diagnose};
use crate::backend::launch::helpers::Helpers;
use crate::backend::launch::request::LaunchRequest;
use crate::backend::server_log::ServerLog;
use crate::schema::refusal::Refusal;

/// A launch that failed or was interrupted. Nothing of it lives and its port is free.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}{}", cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
pub struct LaunchError {
    /// What happened, in one line that names the label.
    pub what: String,
    /// The cause that was recognised.
    pub cause: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Variables of ours that look like the engine's and that it was not given, or with another value: names alone.
    pub not_handed_on: Vec<String>,
    /// The root cause as the log has it, and the log's last lines.
    pub log_tail: Vec<String>,
    /// The log.
    pub log: PathBuf,
    /// Stopped because the user asked to.
    pub interrupted: bool,
}

/// Why a launch is given up.
pub(super) enum Failure {
    Ended(Ended),
    HelperEnded(usize, Ended),
    Interrupted,
    TimeUp,
    Unready(Refusal),
}

/// What is known of a server that was started.
pub(super) struct Started<'a> {
    pub(super) log: &'a ServerLog,
    pub(super) helpers: &'a Helpers,
    pub(super) last_seen: &'a str,
    pub(super) after: Duration,
    pub(super) kept_back: &'a [String],
}

/// An error from before anything was started.
pub(super) fn refuse(request: &LaunchRequest<'_>, what: String, hint: Option<String>) -> LaunchError {
    let what = if what.contains(request.label) { what } else { format!("{}: {what}", request.label) };
    LaunchError {
        what,
        cause: None,
        hint: hint.filter(|hint| !hint.is_empty()),
        not_handed_on: Vec::new(),
        log_tail: Vec::new(),
        log: request.log.to_owned(),
        interrupted: false,
    }
}

/// The error of a program that could not be started.
pub(super) fn refused(request: &LaunchRequest<'_>, what: &str, program: &str, why: Refused) -> LaunchError {
    let error = |message: &str, hint: Option<String>, cause: Option<&str>| LaunchError {
        cause: cause.map(str::to_owned),
        ..refuse(request, format!("{what} cannot be started: {message}"), hint)
    };
    let install = || Some(request.spec.install_hint.clone());
    match why {
        Refused::NotFound(message) => {
            error(&format!("{program}: {message}"), install(), Some("not installed"))
        }
        Refused::NotRunnable(message) => error(&format!("{program}: {message}"), install(), None),
        Refused::GuardDied => error("the harness's guard process has died", None, None),
    }
}

/// The error of a server that was started: the root cause and the log's end with it.
pub(super) fn explain(request: &LaunchRequest<'_>, failure: &Failure, started: &Started<'_>) -> LaunchError {
    let label = request.label;
    let after = started.after.as_secs_f64();
    let patterns = &request.spec.failures;
    let mut log = started.log;
    // A server that waits in vain may do so for a helper, whose log then has the cause.
    let any_log = || {
        let logs = std::iter::once(log).chain(started.helpers.iter().map(|helper| &helper.log));
        logs.into_iter().find_map(|log| Some((log, diagnose(log, None, patterns)?)))
    };
    let (what, found, hint) = match failure {
        Failure::Ended(how) => (
            format!("{label} {how} after {after:.1} s, before it was ready"),
            diagnose(log, Some(*how), patterns).map(|known| (log, known)),
            None,
        ),
        Failure::HelperEnded(index, how) => {
            let helper = started.helpers.get(*index);
            log = helper.map_or(log, |helper| &helper.log);
            let name = helper.map_or("helper", |helper| helper.name.as_str());
            (
                format!("{label}'s {name} {how} after {after:.1} s, before the server was ready"),
                diagnose(log, Some(*how), patterns).map(|known| (log, known)),
                None,
            )
        }
        Failure::Interrupted => (format!("{label} was stopped while it loaded"), None, None),
        Failure::TimeUp => (
            format!(
                "{label} was not ready within {} s: {}",
                request.startup_timeout.as_secs_f64(),
                started.last_seen
            ),
            any_log(),
            Some(time_up_hint(request, started.last_seen)),
        ),
        Failure::Unready(Refusal { what, cure, cause: _ }) => {
            (format!("{label}: {what}"), any_log(), cure.clone())
        }
    };
    let (log, diagnosis): (&ServerLog, Option<Diagnosis>) =
        found.map_or((log, None), |(log, known)| (log, Some(known)));
    let mut log_tail = log.last_lines();
    let root = diagnosis.as_ref().map(|known| known.lines.clone()).unwrap_or_default();
    if !root.is_empty() && !log_tail.starts_with(&root) {
        log_tail.splice(0..0, root.into_iter().chain(["…".to_owned()]));
    }
    let interrupted = matches!(failure, Failure::Interrupted);
    LaunchError {
        what,
        hint: diagnosis.as_ref().map(|known| known.hint.clone()).filter(|hint| !hint.is_empty()).or(hint),
        cause: diagnosis.map(|known| known.cause),
        not_handed_on: if interrupted { Vec::new() } else { started.kept_back.to_vec() },
        log_tail,
        log: log.path.clone(),
        interrupted,
    }
}

fn time_up_hint(request: &LaunchRequest<'_>, last_seen: &str) -> String {
    match &request.spec.readiness.models_path {
        Some(path) if last_seen.contains(path.as_str()) => format!(
            "see its log; a longer wait is --startup-timeout; where {path} never shows the model, \
             `readiness.models_path: none` in the backend's file does without it"
        ),
        Some(_) | None => "see its log; a longer wait is --startup-timeout".to_owned(),
    }
}
