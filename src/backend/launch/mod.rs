//! A launch: command, port and environment made ready, the server started, proved, and owned.

mod child_environment;
mod command;
mod diagnosis;
mod error;
mod helpers;
mod log_line;
pub mod port;
pub mod readiness;
mod request;
mod root_cause;
pub mod shutdown;

use std::cell::RefCell;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::backend::guard::{Container, Ended, Guard, Launch, ServerHandle, View, mark};
use crate::backend::launch::command::{Prepared, prepare, working_directory};
pub use crate::backend::launch::error::LaunchError;
use crate::backend::launch::error::{Failure, Started, explain, refuse, refused};
use crate::backend::launch::helpers::Helpers;
use crate::backend::launch::readiness::{Candidate, ProbeAnswer, ProbeFailure, prove};
pub use crate::backend::launch::request::{LaunchEvent, LaunchRequest};
use crate::backend::launch::shutdown::Stopped;
use crate::backend::process::Process;
use crate::backend::server_log::ServerLog;
use crate::schema::target::Stop;
use crate::secrets;

/// How a server ended that nobody had stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    /// Exit code or signal. vLLM ends with code 0 after its engine died.
    pub how: Ended,
    /// The helper that ended, where it was not the server's own process.
    pub helper: Option<String>,
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
    helpers: Helpers,
    /// Removed with the server.
    _scratch: Option<TempDir>,
}

impl Server {
    /// Stops it: SIGTERM, its grace, then SIGKILL to whatever is left. Close all client connections before.
    pub async fn stop(mut self) -> Stopped {
        let stopped = shutdown::stop(&mut self.handle, &self.stop, self.container.as_ref(), self.port).await;
        self.helpers.stop(shutdown::seconds(self.stop.grace_s)).await;
        stopped
    }

    /// Every process of it that the guard knows of, its helpers' too, whenever that is asked.
    pub fn members(&self) -> impl Fn() -> Vec<Process> + Send + 'static {
        let views: Vec<_> = std::iter::once(self.handle.watch()).chain(self.helpers.views()).collect();
        move || {
            let of = |view: &watch::Receiver<View>| {
                let view = view.borrow();
                let main = view.launched.clone().and_then(Result::ok);
                main.into_iter().chain(view.members.clone()).collect::<Vec<_>>()
            };
            views.iter().flat_map(of).collect()
        }
    }

    /// The container in which it runs.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// Resolves when its own process, or a helper without which it is none, has ended. May be dropped and asked
    /// again.
    pub async fn exited(&mut self) -> Exited {
        tokio::select! {
            biased;
            (index, how) = self.helpers.ended() => {
                let helper = self.helpers.get(index);
                let log = helper.map_or(&self.log, |helper| &helper.log);
                Exited { how, helper: helper.map(|helper| helper.name.clone()), log_tail: log.last_lines() }
            }
            how = self.handle.ended() => Exited { how, helper: None, log_tail: self.log.last_lines() },
        }
    }
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
    P: AsyncFn(&str) -> Result<ProbeAnswer, ProbeFailure>,
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
        spec.readiness.paths.iter().chain(&spec.readiness.models_path).cloned().collect();
    let log = ServerLog::open(request.log, prepared.secrets.clone(), &asked).map_err(|error| {
        let what = format!("cannot write the log {}: {error}", request.log.display());
        refuse(&request, what, Some("choose another place with --output".into()))
    })?;
    let started = Instant::now();
    let mut helpers = Helpers::start(guard, &request, &prepared).await?;
    let mut handle = match start(guard, &request, &prepared, &log).await {
        Ok(handle) => handle,
        Err(error) => {
            helpers.stop(shutdown::LOADING_GRACE).await;
            return Err(error);
        }
    };
    let pid = handle.process().map_or(0, |process| process.pid);
    on_event(LaunchEvent::Starting { pid });

    let url = format!("http://127.0.0.1:{}", prepared.port);
    let last_seen = RefCell::new("it had just been started".to_owned());
    let candidate = Candidate {
        url: &url,
        port: prepared.port,
        readiness: &spec.readiness,
        log: &log,
        views: std::iter::once(handle.watch()).chain(helpers.views()).collect(),
        in_container: prepared.container.is_some(),
        last_seen: &last_seen,
    };
    let outcome = tokio::select! {
        biased;
        (index, how) = helpers.ended() => Err(Failure::HelperEnded(index, how)),
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
            helpers.settled();
            let ready_after = started.elapsed();
            on_event(LaunchEvent::Ready { after: ready_after });
            let Prepared { port, container, launched, scratch, .. } = prepared;
            let stop = spec.stop.clone();
            let _scratch = scratch;
            Ok(Server {
                url,
                port,
                pid,
                ready_after,
                launched,
                probe,
                handle,
                container,
                stop,
                log,
                helpers,
                _scratch,
            })
        }
        Err(failure) => {
            shutdown::abort(&mut handle, prepared.container.as_ref(), prepared.port).await;
            helpers.stop(shutdown::LOADING_GRACE).await;
            let (after, kept_back) = (started.elapsed(), &prepared.kept_back);
            let known = Started {
                log: &log,
                helpers: helpers.logs(),
                last_seen: &last_seen.borrow(),
                after,
                kept_back,
            };
            Err(explain(&request, &failure, &known))
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
    let directory = working_directory().map_err(|what| refuse(request, what, None))?;
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
        scratch: prepared.scratch.as_ref().map(|scratch| scratch.path().to_owned()),
    };
    let program = prepared.argv.first().map(String::as_str).unwrap_or_default();
    guard.launch(launch).await.map_err(|why| refused(request, request.label, program, why))
}

/// Resolves when the user wants the launch to end; never where nobody can say so any more.
async fn asked_to_stop(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
