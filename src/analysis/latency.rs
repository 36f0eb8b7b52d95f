//! Latency figures, of completed requests only: a failed request's times enter none of them.

use std::collections::BTreeMap;

use crate::schema::figure;
use crate::schema::record::RequestRecord;
use crate::schema::summary::MetricValue;

use super::distribution::{Moments, Samples};

const US_PER_MS: f64 = 1_000.0;
const US_PER_S: f64 = 1_000_000.0;

/// A duration between two stamps, ms.
pub(super) fn between_ms(from_us: u64, to_us: u64) -> f64 {
    to_us.saturating_sub(from_us) as f64 / US_PER_MS
}

/// The latency metrics of [`figure::METRICS`], by their formulas.
#[derive(Debug, Default)]
pub(super) struct Latency {
    ttft: Samples,
    e2e: Samples,
    tpot: Samples,
    itl: Samples,
    chunk_gap: Samples,
    ntpot: Samples,
    ttft_from_due: Samples,
    e2e_from_due: Samples,
    user_tps: Moments,
}

impl Latency {
    /// Adds a completed request.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.add_from(record, record.sent_us, Base::Sent);
        self.add_from(record, record.due_us, Base::Due);
        self.add_per_token(record);
        self.add_gaps(record);
    }

    fn add_from(&mut self, record: &RequestRecord, from_us: Option<u64>, base: Base) {
        let Some(from_us) = from_us else { return };
        let (ttft, e2e) = match base {
            Base::Sent => (&mut self.ttft, &mut self.e2e),
            Base::Due => (&mut self.ttft_from_due, &mut self.e2e_from_due),
        };
        if let Some(first_us) = record.first_token_us {
            ttft.add(between_ms(from_us, first_us));
        }
        if let Some(last_us) = record.last_token_us {
            e2e.add(between_ms(from_us, last_us));
        }
    }

    fn add_per_token(&mut self, record: &RequestRecord) {
        let (Some(last_us), Some(n)) = (record.last_token_us, record.tokens.delivered) else { return };
        if let (Some(sent_us), 1..) = (record.sent_us, n) {
            self.ntpot.add(between_ms(sent_us, last_us) / f64::from(n));
        }
        if let (Some(first_us), 2..) = (record.first_token_us, n) {
            let steps = f64::from(n - 1);
            self.tpot.add(between_ms(first_us, last_us) / steps);
            // All tokens in one event: there is no rate that a user could have seen.
            if last_us > first_us {
                self.user_tps.add(steps * US_PER_S / (last_us - first_us) as f64, 1);
            }
        }
    }

    /// A gap lies between two token-carrying events, so the first event has none before it: the k
    /// tokens of a first event add no inter-token latency, and n tokens in single events add n − 1.
    /// The gap before an event that carries no new token is counted with the next that does.
    fn add_gaps(&mut self, record: &RequestRecord) {
        let mut chunks = record.chunks.iter();
        let Some(first) = chunks.next() else { return };
        let mut previous_us = first.at_us;
        let mut token_us = first.at_us;
        for chunk in chunks {
            self.chunk_gap.add(between_ms(previous_us, chunk.at_us));
            previous_us = chunk.at_us;
            if chunk.tokens > 0 {
                let gap_ms = between_ms(token_us, chunk.at_us);
                self.itl.add_times(gap_ms / f64::from(chunk.tokens), u64::from(chunk.tokens));
                token_us = chunk.at_us;
            }
        }
    }

    /// The metrics that have a value, by name; without ITL where it is withheld.
    pub(super) fn finish(self, withhold_itl: bool) -> BTreeMap<String, MetricValue> {
        let distributions = [
            (figure::TTFT, self.ttft),
            (figure::E2E, self.e2e),
            (figure::TPOT, self.tpot),
            (figure::ITL, if withhold_itl { Samples::default() } else { self.itl }),
            (figure::CHUNK_GAP, self.chunk_gap),
            (figure::NTPOT, self.ntpot),
            (figure::TTFT_FROM_DUE, self.ttft_from_due),
            (figure::E2E_FROM_DUE, self.e2e_from_due),
        ];
        let mut metrics: BTreeMap<String, MetricValue> = distributions
            .into_iter()
            .filter_map(|(name, samples)| {
                Some((name.to_owned(), MetricValue::Distribution(samples.distribution()?)))
            })
            .collect();
        if let Some(mean) = self.user_tps.mean() {
            metrics.insert(figure::USER_TPS.to_owned(), MetricValue::Scalar(mean));
        }
        metrics
    }
}

#[derive(Debug, Clone, Copy)]
enum Base {
    Sent,
    Due,
}
