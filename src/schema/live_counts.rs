//! Counts of a run that goes: as they are shown, and as one of several workers tells them to worker 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::FailureKind;

/// Counts of a run at one moment, of measured requests. They only grow while it goes, but for what is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveCounts {
    /// Requests whose turn came.
    pub issued: u64,
    /// Requests written and not yet ended.
    pub in_flight: u64,
    /// Warm-up requests ended.
    pub warmup_done: u64,
    /// Token-carrying events, of answers that still come too.
    pub token_events: u64,
    /// Requests that were answered whole.
    pub completed: u64,
    /// Requests that failed, by how.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Requests cut off by the end of the run.
    pub cancelled: u64,
    /// Requests that were due and never sent.
    pub dropped: u64,
    /// Prompt tokens of completed requests.
    pub prompt_tokens: u64,
    /// Output tokens of completed requests.
    pub output_tokens: u64,
}

impl LiveCounts {
    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Requests that have ended, however.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed() + self.cancelled + self.dropped
    }

    /// Adds those of another worker, or of another run.
    pub fn join(&mut self, other: &LiveCounts) {
        self.issued += other.issued;
        self.in_flight += other.in_flight;
        self.warmup_done += other.warmup_done;
        self.token_events += other.token_events;
        self.completed += other.completed;
        for (kind, more) in &other.failures {
            *self.failures.entry(*kind).or_default() += more;
        }
        self.cancelled += other.cancelled;
        self.dropped += other.dropped;
        self.prompt_tokens += other.prompt_tokens;
        self.output_tokens += other.output_tokens;
    }
}
