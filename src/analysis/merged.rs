//! The share of token-carrying events whose stamp is merged, counted over records.

use crate::schema::record::RequestRecord;

/// Events so far.
#[derive(Debug, Default)]
pub(super) struct MergedEvents {
    events: u64,
    merged: u64,
}

impl MergedEvents {
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.events += record.chunks.len() as u64;
        self.merged += record.merged_events();
    }

    pub(super) fn merge(&mut self, other: MergedEvents) {
        self.events += other.events;
        self.merged += other.merged;
    }

    /// 0 to 1; 0 without any event.
    pub(super) fn share(&self) -> f64 {
        if self.events == 0 { 0.0 } else { self.merged as f64 / self.events as f64 }
    }
}
