//! What the answers of a run held or lacked that does not change a figure, counted to be said once.

use crate::schema::caveat::Caveat;
use crate::schema::record::{MissingSign, Outcome, RequestRecord};

/// Counts over the measured requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Oddities {
    without_done_marker: u64,
    without_finish_reason: u64,
    events: u64,
    requests: u64,
}

impl Oddities {
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.events += u64::from(record.passed_over);
        self.requests += u64::from(record.passed_over > 0);
        if record.outcome == Outcome::Completed {
            match record.missing_sign {
                Some(MissingSign::DoneMarker) => self.without_done_marker += 1,
                Some(MissingSign::FinishReason) => self.without_finish_reason += 1,
                None => {}
            }
        }
    }

    pub(super) fn merge(&mut self, other: Oddities) {
        self.without_done_marker += other.without_done_marker;
        self.without_finish_reason += other.without_finish_reason;
        self.events += other.events;
        self.requests += other.requests;
    }

    pub(super) fn missing_signs(self) -> Option<Caveat> {
        let (done_marker, finish_reason) = (self.without_done_marker, self.without_finish_reason);
        (done_marker + finish_reason > 0).then_some(Caveat::SignMissing { done_marker, finish_reason })
    }

    pub(super) fn events_passed_over(self) -> Option<Caveat> {
        let Oddities { events, requests, .. } = self;
        (events > 0).then_some(Caveat::PassedOver { events, requests })
    }
}
