//! Whether a server answers one request at a time: several were in flight, and never two between their first token
//! and their last.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::record::RequestRecord;

/// Two answers that overlap by no more than this, µs, follow each other: a stamp may be late.
const OVERLAP_US: u64 = 100;
/// So many have to have waited for another's end: one may be chance.
const WAITED_LEAST: u64 = 2;
/// And of this many answers, fewer show nothing.
const ANSWERS_LEAST: u64 = 3;

/// The answers so far, as long as no two of them overlap.
#[derive(Debug, Default)]
pub(super) struct ServedAlone {
    overlapped: bool,
    /// First token, µs → last token and send.
    answers: BTreeMap<u64, (u64, u64)>,
    least_ttft_us: Option<u64>,
}

impl ServedAlone {
    /// Adds a measured request, whatever became of it. Memory is given back with the first two that overlap.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let (Some(sent), Some(first), Some(last)) =
            (record.sent_us, record.first_token_us, record.last_token_us)
        else {
            return;
        };
        if self.overlapped || last <= first {
            return;
        }
        let ttft_us = first.saturating_sub(sent);
        self.least_ttft_us = Some(self.least_ttft_us.map_or(ttft_us, |least| least.min(ttft_us)));
        self.place(first, last, sent);
    }

    /// Adds the answers of another.
    pub(super) fn merge(&mut self, other: ServedAlone) {
        self.least_ttft_us = match (self.least_ttft_us, other.least_ttft_us) {
            (Some(least), Some(ttft_us)) => Some(least.min(ttft_us)),
            (least, ttft_us) => least.or(ttft_us),
        };
        if self.overlapped || other.overlapped {
            *self = ServedAlone { overlapped: true, least_ttft_us: self.least_ttft_us, ..Self::default() };
            return;
        }
        for (first, (last, sent)) in other.answers {
            self.place(first, last, sent);
        }
    }

    fn place(&mut self, first: u64, last: u64, sent: u64) {
        if self.overlapped {
            return;
        }
        let before = self.answers.range(..=first).next_back();
        let after = self.answers.range(first..).next();
        let meets_before = before.is_some_and(|(_, (end, _))| *end > first + OVERLAP_US);
        let meets_after = after.is_some_and(|(start, _)| last > *start + OVERLAP_US);
        if meets_before || meets_after || self.answers.insert(first, (last, sent)).is_some() {
            self.overlapped = true;
            self.answers = BTreeMap::new();
        }
    }

    /// The caveat, where two answers or more waited for another's end although the server, by its fastest first
    /// token, could have begun them before it.
    pub(super) fn caveat(&self) -> Option<Caveat> {
        let least_ttft_us = self.least_ttft_us?;
        let pairs = self.answers.values().zip(self.answers.values().skip(1));
        let waited = pairs
            .filter(|((end, _), (_, sent))| sent.saturating_add(least_ttft_us) + OVERLAP_US < *end)
            .count() as u64;
        let answers = self.answers.len() as u64;
        (!self.overlapped && answers >= ANSWERS_LEAST && waited >= WAITED_LEAST)
            .then_some(Caveat::OneAtATime { answers, waited })
    }
}
