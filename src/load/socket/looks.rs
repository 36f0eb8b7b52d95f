//! How often a client thread with many streams looks at its sockets.
//!
//! The kernel stamps what arrives, so that it need not be read at once. A thread that is woken for each event pays for
//! each waking; one that looks at most once in [`STEP_US`] takes several events a look (docs/exactness.md has what that
//! saves). The step is what keeps the figures as they were: two events of one stream that come within it, and would be read together, are no
//! further apart than the doubt below which a stamp counts as exact; and what ends with an event, a slot or a wait for
//! another thread, waits no longer than the step. A thread with few events is woken for each, as ever, and so is one whose
//! reads bear no stamp of the kernel's (HTTP/2, Unix sockets, other systems): their time is that of the read.

use std::time::Duration;

/// From one look at the sockets to the next of a busy thread, µs: a stamp that is in doubt by no more is not called merged.
const STEP_US: u64 = 100;
/// A thread is busy that reads so often, a second: it has two or more events a step.
const BUSY_READS: u64 = 20_000;
/// Over which reads are counted, µs.
const WINDOW_US: u64 = 10_000;

/// The looks of a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    /// When it last looked, µs.
    looked_us: u64,
    /// Since when reads are counted, µs.
    since_us: u64,
    /// Reads since then.
    reads: u64,
    busy: bool,
}

impl Looks {
    pub(super) const NONE: Looks = Looks { looked_us: 0, since_us: 0, reads: 0, busy: false };

    /// Something was read that bears the kernel's stamp.
    pub(super) fn read(self) -> Looks {
        Looks { reads: self.reads + 1, ..self }
    }

    /// The sockets were looked at.
    pub(super) fn looked(self, now_us: u64) -> Looks {
        Looks { looked_us: now_us, ..self }
    }

    /// The thread has nothing to do: so long it sleeps before it looks at its sockets, µs.
    pub(super) fn pause(self, now_us: u64) -> (Looks, u64) {
        let mut looks = self;
        let counted_us = now_us.saturating_sub(self.since_us);
        if counted_us >= WINDOW_US {
            looks = Looks {
                busy: self.reads * 1_000_000 >= BUSY_READS * counted_us,
                since_us: now_us,
                reads: 0,
                ..self
            };
        }
        let left_us = (looks.looked_us + STEP_US).saturating_sub(now_us);
        (looks, if looks.busy { left_us } else { 0 })
    }
}

/// Sleeps, to the µs where the thread's timer slack allows it.
pub(super) fn sleep(pause_us: u64) {
    if pause_us > 0 {
        std::thread::sleep(Duration::from_micros(pause_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `reads` reads in the 10 ms up to `now_us`.
    fn after(reads: u64, now_us: u64) -> Looks {
        let looks = Looks { looked_us: now_us, ..Looks::NONE.pause(now_us - WINDOW_US).0 };
        (0..reads).fold(looks, |looks, _| looks.read()).pause(now_us).0
    }

    #[test]
    fn a_busy_thread_looks_once_a_step_and_no_later() {
        let looks = after(200, 50_000);
        assert_eq!(looks.pause(50_030).1, STEP_US - 30);
        assert_eq!(looks.pause(50_100).1, 0, "the work took the step");
        assert_eq!(looks.looked(50_100).pause(50_110).1, STEP_US - 10);
    }

    #[test]
    fn a_thread_with_few_events_is_woken_for_each() {
        assert_eq!(after(199, 50_000).pause(50_030).1, 0);
        let idle = after(200, 50_000).pause(2_000_000).0;
        assert_eq!(idle.looked(2_000_000).pause(2_000_000).1, 0, "what was busy once is so no longer");
    }
}
