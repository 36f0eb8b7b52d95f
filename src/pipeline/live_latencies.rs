//! Latencies of a run that goes: of all of it, and of its last seconds.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::schema::live_histogram::LiveHistogram;
use crate::schema::live_snapshot::{LiveLatencies, LiveLatency, LivePercentiles};
use crate::schema::request_figures::{Figured, milliseconds};

/// Seconds that a moving percentile is over.
pub(super) const RECENT_S: u64 = 10;
/// Two digits: a percentile is within 1 %.
const DIGITS: u8 = 2;
const S_PER_US: f64 = 1e-6;

/// The four latencies of completed requests.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    buckets: LiveLatencies,
    ttft: Spread,
    tpot: Spread,
    itl: Spread,
    e2e: Spread,
}

impl Latencies {
    /// Adds a completed request that ended in the second `now_s` from the run's start.
    pub(super) fn add(&mut self, request: &Figured<'_>, now_s: u64) {
        let record = request.record;
        if let Some(ttft_us) = record.ttft_us() {
            add(&mut self.buckets.ttft.histogram, &mut self.ttft, ttft_us as f64, (1, now_s));
        }
        if let Some(e2e_us) = record.e2e_us() {
            add(&mut self.buckets.e2e.histogram, &mut self.e2e, e2e_us as f64, (1, now_s));
        }
        if let Some(tpot_ms) = request.pace.tpot_ms() {
            add(&mut self.buckets.tpot.histogram, &mut self.tpot, tpot_ms * 1e3, (1, now_s));
        }
        let (histogram, itl) = (&mut self.buckets.itl.histogram, &mut self.itl);
        record.inter_token(&mut |gap_us, shared| {
            add(histogram, itl, gap_us as f64 / f64::from(shared.max(1)), (u64::from(shared), now_s));
        });
    }

    /// All of them; without percentiles of the paces where these are withheld.
    pub(super) fn shown(&self, now_s: u64, pace_withheld: bool) -> LiveLatencies {
        let of = |bucketed: &LiveLatency, spread: &Spread| LiveLatency {
            histogram: bucketed.histogram.clone(),
            run: spread.run.percentiles(),
            recent: spread.recent(now_s).percentiles(),
        };
        let mut shown = LiveLatencies {
            ttft: of(&self.buckets.ttft, &self.ttft),
            tpot: of(&self.buckets.tpot, &self.tpot),
            itl: of(&self.buckets.itl, &self.itl),
            e2e: of(&self.buckets.e2e, &self.e2e),
        };
        if pace_withheld {
            for pace in [&mut shown.tpot, &mut shown.itl] {
                (pace.run, pace.recent) = (None, None);
            }
        }
        shown
    }

    /// Requests with a TTFT in the last seconds.
    pub(super) fn recent_completed(&self, now_s: u64) -> u64 {
        self.ttft.recent(now_s).count()
    }
}

fn add(histogram: &mut LiveHistogram, spread: &mut Spread, value_us: f64, (times, now_s): (u64, u64)) {
    histogram.add(value_us * S_PER_US, times);
    spread.add(value_us, times, now_s);
}

/// Values of one latency for percentiles, µs.
#[derive(Debug, Default)]
struct Spread {
    run: Values,
    /// Values of a second each, oldest first; seconds without any are not there.
    seconds: VecDeque<(u64, Values)>,
}

impl Spread {
    fn add(&mut self, value_us: f64, times: u64, now_s: u64) {
        let value_us = value_us.round() as u64;
        self.run.add(value_us, times);
        if self.seconds.back().is_none_or(|(second, _)| *second < now_s) {
            self.seconds.retain(|(second, _)| is_recent(*second, now_s));
            self.seconds.push_back((now_s, Values::default()));
        }
        if let Some((_, values)) = self.seconds.back_mut() {
            values.add(value_us, times);
        }
    }

    fn recent(&self, now_s: u64) -> Values {
        let mut all = Values::default();
        let recent = self.seconds.iter().filter(|(second, _)| is_recent(*second, now_s));
        recent.for_each(|(_, values)| all.join(values));
        all
    }
}

fn is_recent(second: u64, now_s: u64) -> bool {
    second + RECENT_S > now_s
}

/// None only for digits above 5.
#[derive(Debug)]
struct Values(Option<Histogram<u64>>);

impl Default for Values {
    fn default() -> Self {
        Values(Histogram::new(DIGITS).ok())
    }
}

impl Values {
    fn add(&mut self, value_us: u64, times: u64) {
        if let Some(histogram) = &mut self.0 {
            // It grows to every value: no latency reaches its end, 2^63 µs.
            let _ = histogram.record_n(value_us, times);
        }
    }

    fn join(&mut self, other: &Values) {
        if let (Some(histogram), Some(more)) = (&mut self.0, &other.0) {
            // It grows to whatever the other holds.
            let _ = histogram.add(more);
        }
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    fn percentiles(&self) -> Option<LivePercentiles> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        let at = |q| milliseconds(histogram.value_at_quantile(q));
        Some(LivePercentiles {
            count: histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: milliseconds(histogram.max()),
        })
    }
}
