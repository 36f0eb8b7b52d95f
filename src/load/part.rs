//! A load that several machines play: what of it is this one's, and when it begins.

use std::pin::Pin;

use crate::schema::traffic::Traffic;
use crate::schema::workers::Share;

/// What is called once when this machine is ready, its warm-up over: it gives the start of the measured phase, µs on
/// this machine's own run clock, some 2 s ahead. Connections are opened between its answer and that time. An error
/// ends the run before its first measured request.
pub type CommonStart = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = anyhow::Result<u64>> + Send>> + Send>;

/// What one of several machines plays of a load.
pub struct Part {
    /// Which of the requests.
    pub share: Share,
    /// From when on.
    pub start: CommonStart,
}

/// What one client thread plays of all that is numbered from 0: the threads of a machine share its share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stripe {
    pub(crate) share: Share,
    /// Which thread, from 0.
    pub(crate) thread: u64,
    /// How many there are.
    pub(crate) threads: u64,
}

impl Stripe {
    /// The number is this thread's.
    pub(crate) fn has(self, number: u64) -> bool {
        self.share.has(number)
            && (number / u64::from(self.share.of.max(1))) % self.threads.max(1) == self.thread
    }
}

/// # Errors
/// Machines that have no place for a request under the cap.
pub(crate) fn check_share(traffic: &Traffic, share: Share) -> anyhow::Result<()> {
    match traffic {
        Traffic::Open { cap: Some(cap), .. } if cap.get() < share.of => {
            anyhow::bail!("a cap of {cap} requests in flight cannot be shared by {} workers", share.of)
        }
        Traffic::Open { .. } | Traffic::Closed { .. } => Ok(()),
    }
}
