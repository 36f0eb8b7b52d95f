//! The end of a server: asked first, then made; afterwards nothing of it lives and its port is free.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::backend::docker;
use crate::backend::guard::{Container, ServerHandle};
use crate::backend::launch::port;
use crate::schema::target::Stop;

/// Time for children to follow a server that ended by itself.
const CHILDREN_FOLLOW: Duration = Duration::from_secs(1);
/// Grace for a server that still loads: vLLM loses a SIGTERM then, and nobody waits for what it does.
pub(super) const LOADING_GRACE: Duration = Duration::from_millis(1500);
/// Time for the kernel to end killed processes, and for docker to remove a container twice.
const GONE: Duration = Duration::from_secs(70);
/// Time for the port to become free once the last process is gone.
const PORT_FREE: Duration = Duration::from_secs(5);
/// The same for a launch that failed, perhaps because the port is another server's.
const PORT_FREE_UNUSED: Duration = Duration::from_secs(1);

/// How a server was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Its own process ended by itself within the grace; children that stayed behind may still have been killed.
    pub graceful: bool,
    /// Processes that had to be killed.
    pub killed: usize,
    /// Nothing of it lives. False only where the kernel could not end a process within 70 s.
    pub gone: bool,
    /// Its port can be listened on again.
    pub port_free: bool,
    /// From the first signal to the end.
    pub took: Duration,
}

/// Stops a server that has loaded. Its client connections must be closed: vLLM and llama.cpp wait for them.
pub async fn stop(
    handle: &mut ServerHandle,
    stop: &Stop,
    container: Option<&Container>,
    port: u16,
) -> Stopped {
    let started = Instant::now();
    let grace = seconds(stop.grace_s);
    let graceful = match container {
        Some(container) => {
            // Docker's client ends when its container does.
            docker::stop(container, grace).await && timeout(CHILDREN_FOLLOW * 5, handle.ended()).await.is_ok()
        }
        None => terminate(handle, grace, stop.second_term_after_s.map(seconds)).await,
    };
    if graceful {
        let deadline = Instant::now() + CHILDREN_FOLLOW;
        while handle.members_alive() && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
    }
    finish(handle, port, PORT_FREE, started, graceful).await
}

/// Stops a server that has not loaded yet.
pub async fn abort(handle: &mut ServerHandle, container: Option<&Container>, port: u16) -> Stopped {
    let started = Instant::now();
    let graceful = match container {
        // A container that loads has nothing to lose, and its removal ends it.
        Some(_) => false,
        None => terminate(handle, LOADING_GRACE, None).await,
    };
    finish(handle, port, PORT_FREE_UNUSED, started, graceful).await
}

/// Stops a program beside the server.
pub(super) async fn end_helper(handle: &mut ServerHandle, grace: Duration) {
    terminate(handle, grace, None).await;
    handle.kill();
    // What the kernel cannot end within this time is the guard's to end.
    let _ = timeout(GONE, handle.gone()).await;
}

/// SIGTERM, perhaps a second one, until the grace is over; true when the server's own process has ended.
async fn terminate(handle: &mut ServerHandle, grace: Duration, second_after: Option<Duration>) -> bool {
    handle.terminate();
    let first_wait = second_after.unwrap_or(grace).min(grace);
    if timeout(first_wait, handle.ended()).await.is_ok() {
        return true;
    }
    if second_after.is_none() || first_wait == grace {
        return false;
    }
    handle.terminate();
    timeout(grace - first_wait, handle.ended()).await.is_ok()
}

async fn finish(
    handle: &mut ServerHandle,
    port: u16,
    port_limit: Duration,
    started: Instant,
    graceful: bool,
) -> Stopped {
    handle.kill();
    let killed = timeout(GONE, handle.gone()).await;
    let port_free = port::wait_until_free(port, port_limit).await;
    Stopped {
        graceful,
        killed: killed.as_ref().copied().unwrap_or(0),
        gone: killed.is_ok(),
        port_free,
        took: started.elapsed(),
    }
}

/// Seconds from a definition; nonsense (negative, not finite) counts as none.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}
