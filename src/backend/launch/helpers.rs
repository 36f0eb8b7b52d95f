//! The programs beside a server: started before it, watched with it, stopped after it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::backend::guard::{Ended, Guard, Launch, ServerHandle, View};
use crate::backend::launch::command::{Prepared, PreparedHelper, working_directory};
use crate::backend::launch::error::{LaunchError, refuse, refused};
use crate::backend::launch::request::LaunchRequest;
use crate::backend::launch::shutdown;
use crate::backend::server_log::ServerLog;

/// A helper that runs.
#[derive(Debug)]
pub(super) struct RunningHelper {
    pub(super) name: String,
    pub(super) log: ServerLog,
    handle: ServerHandle,
}

/// All of a launch, in the order of their start.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    running: Vec<RunningHelper>,
    deaths: JoinSet<(usize, Ended)>,
    first_death: Option<(usize, Ended)>,
}

impl Helpers {
    /// Starts them in order. Where one cannot be started, those before it are stopped.
    pub(super) async fn start(
        guard: &Guard,
        request: &LaunchRequest<'_>,
        prepared: &Prepared,
    ) -> Result<Self, LaunchError> {
        let mut helpers = Helpers::default();
        for helper in &prepared.helpers {
            let running = match start(guard, request, prepared, helper).await {
                Ok(running) => running,
                Err(error) => {
                    helpers.stop(shutdown::LOADING_GRACE).await;
                    return Err(error);
                }
            };
            let (index, mut view) = (helpers.running.len(), running.handle.watch());
            helpers.deaths.spawn(async move {
                let ended = view.wait_for(|view| view.ended.is_some()).await.ok().and_then(|view| view.ended);
                (index, ended.unwrap_or(Ended::GuardDied))
            });
            helpers.running.push(running);
        }
        Ok(helpers)
    }

    /// Resolves when one of them has ended, with which one and how. May be dropped and asked again.
    pub(super) async fn ended(&mut self) -> (usize, Ended) {
        if let Some(death) = self.first_death {
            return death;
        }
        match self.deaths.join_next().await {
            Some(Ok(death)) => *self.first_death.insert(death),
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&RunningHelper> {
        self.running.get(index)
    }

    /// Their names and logs.
    pub(super) fn logs(&self) -> Vec<(&str, &ServerLog)> {
        self.running.iter().map(|helper| (helper.name.as_str(), &helper.log)).collect()
    }

    /// What the guard sees of each.
    pub(super) fn views(&self) -> Vec<tokio::sync::watch::Receiver<View>> {
        self.running.iter().map(|helper| helper.handle.watch()).collect()
    }

    /// They have loaded: the guard looks at them less often.
    pub(super) fn settled(&self) {
        self.running.iter().for_each(|helper| helper.handle.settled());
    }

    /// Stops them, the last one first; each may take the grace.
    pub(super) async fn stop(&mut self, grace: Duration) {
        for helper in self.running.iter_mut().rev() {
            shutdown::end_helper(&mut helper.handle, grace).await;
        }
    }
}

/// Where a helper's log goes: beside the server's.
fn log_beside(server: &Path, name: &str) -> PathBuf {
    let stem = server.file_stem().unwrap_or_default().to_string_lossy();
    server.with_file_name(format!("{stem}.{name}.log"))
}

async fn start(
    guard: &Guard,
    request: &LaunchRequest<'_>,
    prepared: &Prepared,
    helper: &PreparedHelper,
) -> Result<RunningHelper, LaunchError> {
    let path = log_beside(request.log, &helper.name);
    let log = ServerLog::open(&path, prepared.secrets.clone(), &[]).map_err(|error| {
        let what = format!("cannot write the log {}: {error}", path.display());
        refuse(request, what, Some("choose another place with --output".into()))
    })?;
    let directory = working_directory().map_err(|what| refuse(request, what, None))?;
    let launch = Launch {
        id: guard.next_id(),
        label: format!("{}'s {}", request.label, helper.name),
        argv: helper.argv.clone(),
        environment: helper.environment.clone(),
        directory,
        log: log.path.clone(),
        port: prepared.port,
        container: None,
        secrets: prepared.secrets.clone(),
        scratch: prepared.scratch.as_ref().map(|scratch| scratch.path().to_owned()),
    };
    let what = format!("{}'s {}", request.label, helper.name);
    let program = helper.argv.first().map(String::as_str).unwrap_or_default();
    let handle = guard.launch(launch).await.map_err(|why| refused(request, &what, program, why))?;
    Ok(RunningHelper { name: helper.name.clone(), log, handle })
}
