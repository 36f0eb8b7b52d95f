//! Which processes a server consists of: the guard's list, a container's, or what listens at its port.

use std::time::Duration;

use url::Url;

use crate::backend::docker;
use crate::backend::process::Process;
use crate::monitor::{self, ProcessId, ServerProcesses};
use crate::schema::plan::Plan;
use crate::schema::target::{Origin, Target};

use super::measure::Standing;

/// How long docker is asked for a container's first process.
const INSPECTION: Duration = Duration::from_secs(5);

/// The processes of a server that stands; none where processes are not to be sensed.
pub async fn of(plan: &Plan, target: &Target, standing: &mut Standing) -> Option<ServerProcesses> {
    if plan.sensing.host_interval_s <= 0.0 {
        return None;
    }
    Some(find(target, standing).await)
}

async fn find(target: &Target, standing: &mut Standing) -> ServerProcesses {
    let Some(server) = &standing.server else { return at_urls(target).await };
    let Some(container) = server.container() else {
        let members = server.members();
        return ServerProcesses::Kept(Box::new(move || members().into_iter().map(named).collect()));
    };
    let root = match standing.container_root {
        Some(known) => known,
        None => {
            let container = container.clone();
            let asked = tokio::task::spawn_blocking(move || docker::first_process(&container, INSPECTION));
            asked.await.ok().flatten().map(named)
        }
    };
    standing.container_root = Some(root);
    // A container's processes stay below its first, which adopts orphans.
    root.map_or(ServerProcesses::Hidden, |root| ServerProcesses::Below(vec![root]))
}

fn named(process: Process) -> ProcessId {
    ProcessId { pid: process.pid, start_time: process.start_time }
}

async fn at_urls(target: &Target) -> ServerProcesses {
    let Origin::Url(url) = &target.origin else { return ServerProcesses::Hidden };
    let address = |url: &String| {
        let url = Url::parse(url).ok()?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    };
    let addresses: Vec<(String, u16)> =
        std::iter::once(url).chain(&target.more_urls).filter_map(address).collect();
    let found = tokio::task::spawn_blocking(move || monitor::at_ports(&addresses));
    found.await.unwrap_or(ServerProcesses::Hidden)
}
