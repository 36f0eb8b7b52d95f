//! Requests counted by what became of them.

use crate::schema::record::Outcome;
use crate::schema::summary::RequestCounts;

pub(super) fn add_counts(counts: &mut RequestCounts, more: &RequestCounts) {
    counts.issued += more.issued;
    counts.completed += more.completed;
    counts.failed += more.failed;
    counts.cancelled += more.cancelled;
    counts.dropped += more.dropped;
    for (kind, failed) in &more.failures {
        *counts.failures.entry(*kind).or_default() += failed;
    }
}

pub(super) fn count(counts: &mut RequestCounts, outcome: &Outcome) {
    counts.issued += 1;
    match outcome {
        Outcome::Completed => counts.completed += 1,
        Outcome::Failed { kind, detail: _ } => {
            counts.failed += 1;
            *counts.failures.entry(*kind).or_default() += 1;
        }
        Outcome::Cancelled => counts.cancelled += 1,
        Outcome::Dropped => counts.dropped += 1,
    }
}
