//! Calls of a GPU library that may never come back, as with a driver that hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::event::{Event, Listener};

/// A call that takes longer is given up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the library of the GPUs still answers: after one call that did not come back none is made any more.
#[derive(Debug, Default)]
pub struct GpuPatience {
    is_lost: AtomicBool,
}

impl GpuPatience {
    /// What a call gives. None where it takes longer than `limit`, which is said once, and ever after.
    pub async fn wait<T: Send + 'static>(
        &self,
        limit: Duration,
        listen: Listener<'_>,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.is_lost.load(Ordering::Relaxed) {
            return None;
        }
        let (sender, answer) = oneshot::channel();
        // A thread of the runtime's would hold up the program's end.
        let work = move || {
            // Nobody waits for it any more where it took too long.
            let _ = sender.send(call());
        };
        std::thread::Builder::new().name("gpus".into()).spawn(work).ok()?;
        if let Ok(answer) = tokio::time::timeout(limit, answer).await {
            return answer.ok();
        }
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            listen(Event::Trouble(&format!(
                "warning: the driver of the GPUs has not answered for {} s: none is read any more\n\
                 hint: see whether nvidia-smi answers, and what the kernel says: dmesg",
                limit.as_secs_f64()
            )));
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_driver_that_hangs_is_given_up_said_once_and_not_asked_again() {
        let told = RefCell::new(Vec::new());
        let listen = |event: Event<'_>| {
            if let Event::Trouble(text) = event {
                told.borrow_mut().push(text.to_owned());
            }
        };
        let patience = GpuPatience::default();
        assert_eq!(patience.wait(PATIENCE, &listen, || 7).await, Some(7));
        let (release, held) = channel::<()>();
        let hangs = move || held.recv().is_ok();
        assert_eq!(patience.wait(Duration::from_millis(20), &listen, hangs).await, None);
        assert_eq!(patience.wait(PATIENCE, &listen, || 7).await, None);
        drop(release);
        let told = told.into_inner();
        assert!(told.len() == 1 && told[0].contains("not answered for 0.02 s"), "{told:?}");
    }
}
