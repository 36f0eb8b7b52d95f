//! Counters of a run in progress: written on the measured path with relaxed atomics, read by the live line.

use std::sync::atomic::{AtomicU64, Ordering};

use super::live_counts::LiveCounts;

/// What the live line shows while a load is played. Counts are of the measured phase.
#[derive(Debug, Default)]
pub struct LiveCounters {
    /// Requests whose turn came.
    pub issued: AtomicU64,
    /// Requests completed.
    pub completed: AtomicU64,
    /// Requests failed.
    pub failed: AtomicU64,
    /// Requests written and not yet ended.
    pub in_flight: AtomicU64,
    /// Token-carrying events seen.
    pub chunks: AtomicU64,
    /// Warm-up requests ended.
    pub warmup_done: AtomicU64,
    /// µs from the run's start at which the measured phase began; 0 while warming up.
    pub measured_from_us: AtomicU64,
}

impl LiveCounters {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// Shows the counts of one worker's load and those of the others, added up.
    pub fn show(&self, own: &LiveCounters, others: &LiveCounts) {
        for (shown, own, others) in [
            (&self.issued, &own.issued, others.issued),
            (&self.completed, &own.completed, others.completed),
            (&self.failed, &own.failed, others.failed()),
            (&self.in_flight, &own.in_flight, others.in_flight),
            (&self.chunks, &own.chunks, others.token_events),
            (&self.warmup_done, &own.warmup_done, others.warmup_done),
            (&self.measured_from_us, &own.measured_from_us, 0),
        ] {
            shown.store(LiveCounters::get(own) + others, Ordering::Relaxed);
        }
    }

    /// Reads a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::record::FailureKind;

    #[test]
    fn what_is_shown_of_several_workers_is_the_sum() {
        let (own, shown) = (LiveCounters::default(), LiveCounters::default());
        LiveCounters::add(&own.completed, 5);
        LiveCounters::add(&own.measured_from_us, 77);
        let others = LiveCounts {
            completed: 10,
            in_flight: 3,
            failures: [(FailureKind::Connect, 1), (FailureKind::Timeout, 1)].into(),
            ..LiveCounts::default()
        };
        // Shown anew, not added to what was shown before.
        (0..2).for_each(|_| shown.show(&own, &others));
        let counts = [&shown.completed, &shown.in_flight, &shown.failed, &shown.measured_from_us];
        assert_eq!(counts.map(LiveCounters::get), [15, 3, 2, 77]);
    }
}
