//! A launch: command, port and environment made ready, the server started, proved, and owned.

mod child_environment;
mod command;
mod diagnosis;
mod log_line;
pub mod port;
pub mod readiness;
mod request;
mod root_cause;
pub mod shutdown;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::backend::guard::{Container, Ended, Guard, Launch, Refused, ServerHandle, mark};
use crate::backend::launch::command::{Prepared, prepare};
use crate::backend::launch::diagnosis::diagnose;
use crate::backend::launch::readiness::{Candidate, ProbeAnswer, prove};
pub use crate::backend::launch::request::{LaunchEvent, LaunchRequest};
use crate::backend::launch::shutdown::Stopped;
use crate::backend::server_log::ServerLog;
use crate::schema::refusal::Refusal;
use crate::schema::target::Stop;
use crate::secrets;

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
    /// The last lines of the log.
    pub log_tail: Vec<String>,
    /// The log.
    pub log: PathBuf,
    /// Stopped because the user asked to.
    pub interrupted: bool,
}

/// How a server ended that nobody had stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    /// Exit code or signal. vLLM ends with code 0 after its engine died.
    pub how: Ended,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
}

/// A server that is ready. Dropping it kills it; [`Server::stop`] is kinder.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// Its port.
    pub port: u16,
    /// Its own process; of a container the docker client.
    pub pid: u32,
    /// From its start to its first token.
    pub ready_after: Duration,
    /// The command for the record: secrets are hidden.
    pub launched: Vec<String>,
    /// What the last probe got: tokens that the server's counters hold beside the load's.
    pub probe: ProbeAnswer,
    handle: ServerHandle,
    container: Option<Container>,
    stop: Stop,
    log: ServerLog,
}

impl Server {
    /// Stops it: SIGTERM, its grace, then SIGKILL to whatever is left. Close all client connections before.
    pub async fn stop(mut self) -> Stopped {
        shutdown::stop(&mut self.handle, &self.stop, self.container.as_ref(), self.port).await
    }

    /// Resolves when its own process has ended. May be dropped and asked again.
    pub async fn exited(&mut self) -> Exited {
        let how = self.handle.ended().await;
        Exited { how, log_tail: self.log.last_lines() }
    }
}

/// Why a launch is given up.
enum Failure {
    Ended(Ended),
    Interrupted,
    TimeUp,
    Unready(Refusal),
}

/// Launches a server and proves it ready with one real token, asked for through `probe` (given its URL).
/// Ends early when `stop` becomes true. On any error nothing of the server lives when this returns.
pub async fn launch<P>(
    guard: &Guard,
    request: LaunchRequest<'_>,
    probe: P,
    mut on_event: impl FnMut(LaunchEvent),
    stop: watch::Receiver<bool>,
) -> Result<Server, LaunchError>
where
    P: AsyncFn(&str) -> Result<ProbeAnswer, String>,
{
    let spec = request.spec;
    if *stop.borrow() {
        let what = format!("{} was not started, since a stop was asked for", request.label);
        return Err(LaunchError { interrupted: true, ..refuse(&request, what, None) });
    }
    let mark = mark(guard.process());
    let mut prepared = prepare(&request, &mark).map_err(|why| refuse(&request, why.what, why.cure))?;
    // The engine may print what it is sent, and its answers what it was given.
    secrets::keep_from_outputs(prepared.secrets.iter().cloned());
    prepared.secrets = secrets::kept();
    let asked: Vec<String> =
        spec.readiness.paths.iter().chain([&spec.readiness.models_path]).cloned().collect();
    let log = ServerLog::open(request.log, prepared.secrets.clone(), &asked).map_err(|error| {
        let what = format!("cannot write the log {}: {error}", request.log.display());
        refuse(&request, what, Some("choose another place with --output".into()))
    })?;
    let started = Instant::now();
    let mut handle = start(guard, &request, &prepared, &log).await?;
    let pid = handle.process().map_or(0, |process| process.pid);
    on_event(LaunchEvent::Starting { pid });

    let url = format!("http://127.0.0.1:{}", prepared.port);
    let last_seen = RefCell::new("it had just been started".to_owned());
    let candidate = Candidate {
        url: &url,
        port: prepared.port,
        readiness: &spec.readiness,
        log: &log,
        view: handle.watch(),
        in_container: prepared.container.is_some(),
        last_seen: &last_seen,
    };
    let outcome = tokio::select! {
        biased;
        how = handle.ended() => Err(Failure::Ended(how)),
        () = asked_to_stop(stop) => Err(Failure::Interrupted),
        proved = timeout(request.startup_timeout, prove(&candidate, &probe, &mut on_event)) => match proved {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(unready)) => Err(Failure::Unready(unready)),
            Err(_) => Err(Failure::TimeUp),
        },
    };
    match outcome {
        Ok(probe) => {
            handle.settled();
            let ready_after = started.elapsed();
            on_event(LaunchEvent::Ready { after: ready_after });
            let Prepared { port, container, launched, .. } = prepared;
            let stop = spec.stop.clone();
            Ok(Server { url, port, pid, ready_after, launched, probe, handle, container, stop, log })
        }
        Err(failure) => {
            shutdown::abort(&mut handle, prepared.container.as_ref(), prepared.port).await;
            Err(explain(&request, &failure, &last_seen.borrow(), &log, started.elapsed()))
        }
    }
}

/// Has the guard start the process.
async fn start(
    guard: &Guard,
    request: &LaunchRequest<'_>,
    prepared: &Prepared,
    log: &ServerLog,
) -> Result<ServerHandle, LaunchError> {
    let directory = std::env::current_dir()
        .map_err(|error| refuse(request, format!("the working directory cannot be told: {error}"), None))?;
    let launch = Launch {
        id: guard.next_id(),
        label: request.label.to_owned(),
        argv: prepared.argv.clone(),
        environment: prepared.environment.clone(),
        directory,
        log: log.path.clone(),
        port: prepared.port,
        container: prepared.container.clone(),
        secrets: prepared.secrets.clone(),
    };
    let program = prepared.argv.first().map(String::as_str).unwrap_or_default();
    let refused = |message: &str, hint: Option<String>, cause: Option<&str>| LaunchError {
        cause: cause.map(str::to_owned),
        ..refuse(request, format!("{} cannot be started: {message}", request.label), hint)
    };
    let install = || Some(request.spec.install_hint.clone());
    guard.launch(launch).await.map_err(|why| match why {
        Refused::NotFound(message) => {
            refused(&format!("{program}: {message}"), install(), Some("not installed"))
        }
        Refused::NotRunnable(message) => refused(&format!("{program}: {message}"), install(), None),
        Refused::GuardDied => refused("the harness's guard process has died", None, None),
    })
}

/// Resolves when the user wants the launch to end; never where nobody can say so any more.
async fn asked_to_stop(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// An error from before anything was started.
fn refuse(request: &LaunchRequest<'_>, what: String, hint: Option<String>) -> LaunchError {
    let what = if what.contains(request.label) { what } else { format!("{}: {what}", request.label) };
    LaunchError {
        what,
        cause: None,
        hint: hint.filter(|hint| !hint.is_empty()),
        log_tail: Vec::new(),
        log: request.log.to_owned(),
        interrupted: false,
    }
}

/// The error of a server that was started: the cause and the log's end with it.
fn explain(
    request: &LaunchRequest<'_>,
    failure: &Failure,
    last_seen: &str,
    log: &ServerLog,
    after: Duration,
) -> LaunchError {
    let label = request.label;
    let after = after.as_secs_f64();
    let patterns = &request.spec.failures;
    let (what, diagnosis, hint) = match failure {
        Failure::Ended(how) => (
            format!("{label} {how} after {after:.1} s, before it was ready"),
            diagnose(log, Some(*how), patterns),
            None,
        ),
        Failure::Interrupted => (format!("{label} was stopped while it loaded"), None, None),
        Failure::TimeUp => (
            format!("{label} was not ready within {} s: {last_seen}", request.startup_timeout.as_secs_f64()),
            diagnose(log, None, patterns),
            Some("see its log; a longer wait is --startup-timeout".to_owned()),
        ),
        Failure::Unready(Refusal { what, cure, cause: _ }) => {
            (format!("{label}: {what}"), diagnose(log, None, patterns), cure.clone())
        }
    };
    let mut log_tail = log.last_lines();
    let root = diagnosis.as_ref().map(|known| known.lines.clone()).unwrap_or_default();
    if !root.is_empty() && !log_tail.starts_with(&root) {
        log_tail.splice(0..0, root.into_iter().chain(["…".to_owned()]));
    }
    LaunchError {
        what,
        hint: diagnosis.as_ref().map(|known| known.hint.clone()).filter(|hint| !hint.is_empty()).or(hint),
        cause: diagnosis.map(|known| known.cause),
        log_tail,
        log: log.path.clone(),
        interrupted: matches!(failure, Failure::Interrupted),
    }
}
