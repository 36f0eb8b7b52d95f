//! What late reading may have done to TTFT and ITL: each figure once more, with every merged stamp at its earliest.
//!
//! A merged stamp is that of later bytes, and its bound says how much earlier its own may have come. So the true TTFT of
//! a request lies between what was stamped and that less its first token's bound, and each statistic of the true ones
//! between the same statistics of both ends. The bounds are the client's own waits: tokens that a server sends together
//! are found by a reader that slept until then, and their bounds are next to nothing.

use std::collections::BTreeMap;

use crate::schema::figure;
use crate::schema::record::{Chunk, Chunks, RequestRecord};
use crate::schema::request_figures::milliseconds;
use crate::schema::summary::{Distribution, MetricValue};

use super::distribution::Samples;
use super::steps::Steps;

/// A figure that may be off by less is no doubt, ms.
const OFF_FLOOR_MS: f64 = 1.0;
/// Nor is a mean or a median that may be off by less than this share of it, …
const OFF_SHARE: f64 = 0.01;
/// … nor a p99.
const OFF_SHARE_P99: f64 = 0.02;
/// With fewer requests the p99 is one of them, and a moment's delay is no limit of the client.
const REQUESTS_FOR_P99: u64 = 100;

/// What the requests so far would give, had every merged stamp been as early as can be.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// TTFT, ms.
    ttft: Samples,
    first_is_merged: bool,
    /// Steps between the tokens of requests with merged stamps, as they were stamped, …
    stamped: Steps,
    /// … and with each of those at its earliest.
    earliest: Steps,
    any_is_merged: bool,
}

/// A figure that may be off by more than is no matter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Off {
    figure: &'static str,
    statistic: &'static str,
    by_ms: f64,
}

impl Lateness {
    /// Adds a completed request.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        if let Some(ttft_us) = record.ttft_us() {
            let first =
                record.chunks.iter().next().filter(|chunk| Some(chunk.at_us) == record.first_token_us);
            let early_us = first.map_or(0, early_us).min(ttft_us);
            self.first_is_merged |= early_us > 0;
            self.ttft.add(milliseconds(ttft_us - early_us));
        }
        if record.merged_events() > 0 {
            self.any_is_merged = true;
            record.inter_token(&mut |gap_us, shared| self.stamped.add(gap_us, shared));
            let early = RequestRecord { chunks: at_earliest(&record.chunks), ..record.clone() };
            early.inter_token(&mut |gap_us, shared| self.earliest.add(gap_us, shared));
        }
    }

    /// Adds the requests of another.
    pub(super) fn merge(&mut self, other: Lateness) {
        self.ttft.merge(other.ttft);
        self.first_is_merged |= other.first_is_merged;
        self.stamped.merge(other.stamped);
        self.earliest.merge(other.earliest);
        self.any_is_merged |= other.any_is_merged;
    }

    /// Does what of the end can be done of a part.
    pub(super) fn settle(&mut self) {
        // Else nobody asks for it.
        if self.first_is_merged {
            self.ttft.settle();
        }
    }

    /// ITL with every merged stamp at its earliest; none where no stamp is merged. `all` are the steps of the run.
    pub(super) fn earliest_itl(&mut self, all: Option<&Steps>) -> Option<Distribution> {
        let all = all.filter(|_| self.any_is_merged)?.clone();
        let replaced = all.replaced(&self.stamped, std::mem::take(&mut self.earliest))?;
        replaced.distribution_and_ecdf().map(|(distribution, _)| distribution)
    }

    /// Figures that may be off by too much. `metrics` are those of the run, `itl` what [`Lateness::earliest_itl`] gave.
    /// By more than `lag_p99_ms` no figure counts as off, where that is known: the lag of a reader that is late shows
    /// it, whatever it finds together. Where the scheduler's account is hidden, bounds reach back to the read before,
    /// and a server that sends tokens together would else be taken for a late client.
    pub(super) fn off(
        self,
        metrics: &BTreeMap<String, MetricValue>,
        itl: Option<Distribution>,
        lag_p99_ms: Option<f64>,
    ) -> Vec<Off> {
        let ttft = if self.first_is_merged { self.ttft.distribution() } else { None };
        let most_ms = lag_p99_ms.unwrap_or(f64::INFINITY);
        let compared = [(figure::TTFT, "TTFT", ttft), (figure::ITL, "ITL", itl)];
        let found = compared.into_iter().filter_map(|(name, title, earliest)| {
            let Some(MetricValue::Distribution(stamped)) = metrics.get(name) else { return None };
            Some(off_of(title, stamped, &earliest?, most_ms))
        });
        found.flatten().collect()
    }
}

/// By how much earlier than its stamp an event may have come, µs; 0 where that is no more than a reader's waking.
fn early_us(chunk: Chunk) -> u64 {
    if chunk.is_merged() { chunk.merged_bound_us.map_or(0, u64::from) } else { 0 }
}

fn at_earliest(chunks: &Chunks) -> Chunks {
    chunks.iter().map(|chunk| Chunk { at_us: chunk.at_us.saturating_sub(early_us(chunk)), ..chunk }).collect()
}

fn off_of(figure: &'static str, stamped: &Distribution, earliest: &Distribution, most_ms: f64) -> Vec<Off> {
    let statistics = [
        ("mean", stamped.mean, earliest.mean, OFF_SHARE),
        ("p50", stamped.p50, earliest.p50, OFF_SHARE),
        ("p99", stamped.p99, earliest.p99, OFF_SHARE_P99),
    ];
    let judged = statistics
        .into_iter()
        .filter(|(statistic, ..)| *statistic != "p99" || stamped.count >= REQUESTS_FOR_P99);
    judged
        .map(|(statistic, value, early, share)| {
            (Off { figure, statistic, by_ms: (value - early).abs().min(most_ms) }, value * share)
        })
        .filter(|(off, share_ms)| off.by_ms > share_ms.max(OFF_FLOOR_MS))
        .map(|(off, _)| off)
        .collect()
}

/// `TTFT mean may be up to 2.40 ms too high, TTFT p99 up to 19.00 ms: 10.8 % of events were read together (4 client
/// threads; give it more cores)`; none where no figure is off.
pub(super) fn words(off: &[Off], merged: f64, threads: u32) -> Option<String> {
    let (first, rest) = off.split_first()?;
    // A gap may be too long or too short, a time to the first token too long alone.
    let which = if off.iter().all(|off| off.figure == "TTFT") { "too high" } else { "off" };
    let mut text = format!("{} {} may be up to {:.2} ms {which}", first.figure, first.statistic, first.by_ms);
    for Off { figure, statistic, by_ms } in rest {
        text.push_str(&format!(", {figure} {statistic} up to {by_ms:.2} ms"));
    }
    let threads = match threads {
        0 => String::new(),
        1 => "1 client thread; ".to_owned(),
        number => format!("{number} client threads; "),
    };
    text.push_str(&format!(
        ": {:.1} % of events were read together ({threads}give the client more cores)",
        100.0 * merged
    ));
    Some(text)
}
