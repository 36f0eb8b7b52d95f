//! Which processes a server consists of: the guard's list, a container's, or what listens at its port.

use std::time::Duration;

use crate::backend::docker;
use crate::backend::launch::Server;
use crate::backend::process::Process;
use crate::monitor::gpu;
use crate::monitor::{self, ProcessId, ServerProcesses};
use crate::schema::plan::Plan;
use crate::schema::sensing::Sensing;
use crate::schema::target::{Origin, Target};

/// The first process of a server's container, as this machine numbers it: none before it was asked for, none in it where
/// it cannot be seen.
pub type ContainerRoot = Option<Option<ProcessId>>;

/// How long docker is asked for a container's first process.
const INSPECTION: Duration = Duration::from_secs(5);

/// The processes of a server that stands; none where neither they nor GPUs, whose memory is theirs, are to be sensed.
/// `root` keeps a container's first process once it was asked for.
pub async fn of(
    plan: &Plan,
    target: &Target,
    server: Option<&Server>,
    root: &mut ContainerRoot,
) -> Option<ServerProcesses> {
    let Sensing { host_interval_s, gpu_interval_s } = plan.sensing;
    if host_interval_s <= 0.0 && gpu_interval_s <= 0.0 {
        return None;
    }
    Some(find(target, server, root).await)
}

/// Tells whether a process is one of a server that stands. Engines overwrite their environment when they name their
/// processes (setproctitle), so that the guard's mark in it says nothing: its list of members does.
pub async fn membership(
    target: &Target,
    server: Option<&Server>,
    root: &mut ContainerRoot,
) -> impl Fn(u32) -> bool + use<> {
    let roots: Vec<ProcessId> = match find(target, server, root).await {
        ServerProcesses::Kept(members) => members(),
        ServerProcesses::Below(roots) => roots,
        ServerProcesses::Hidden | ServerProcesses::Elsewhere => Vec::new(),
    };
    move |pid| roots.iter().any(|root| gpu::is_family(pid, root.pid))
}

async fn find(target: &Target, server: Option<&Server>, kept: &mut ContainerRoot) -> ServerProcesses {
    let Some(server) = server else { return at_urls(target).await };
    let Some(container) = server.container() else {
        let members = server.members();
        return ServerProcesses::Kept(Box::new(move || members().into_iter().map(named).collect()));
    };
    let root = match *kept {
        Some(known) => known,
        None => {
            let container = container.clone();
            let asked = tokio::task::spawn_blocking(move || docker::first_process(&container, INSPECTION));
            asked.await.ok().flatten().map(named)
        }
    };
    *kept = Some(root);
    // A container's processes stay below its first, which adopts orphans.
    root.map_or(ServerProcesses::Hidden, |root| ServerProcesses::Below(vec![root]))
}

fn named(process: Process) -> ProcessId {
    ProcessId { pid: process.pid, start_time: process.start_time }
}

async fn at_urls(target: &Target) -> ServerProcesses {
    let Origin::Url(url) = &target.origin else { return ServerProcesses::Hidden };
    let urls: Vec<String> = std::iter::once(url).chain(&target.more_urls).cloned().collect();
    let found = tokio::task::spawn_blocking(move || monitor::at_urls(&urls));
    found.await.unwrap_or(ServerProcesses::Hidden)
}
