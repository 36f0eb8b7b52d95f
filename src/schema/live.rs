//! Counters of a run in progress: written on the measured path with relaxed atomics, read by the live line.

use std::sync::atomic::{AtomicU64, Ordering};

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

    /// Reads a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
