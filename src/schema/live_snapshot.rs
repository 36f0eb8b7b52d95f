//! What is known of a run while it goes, at one moment.

use super::gpu::GpuHead;
use super::live_counts::LiveCounts;
use super::live_histogram::{LiveHistogram, STEP_BOUNDS_S, WAIT_BOUNDS_S};
use super::sample::Sample;

/// A run that goes, at one moment; of measured requests. Counts only grow while it goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveSnapshot {
    /// What was counted so far.
    pub counts: LiveCounts,
    /// The measured phase has begun.
    pub measuring: bool,
    /// Latencies; none where nobody asked for them.
    pub latencies: Option<LiveLatencies>,
    /// By what came so far nobody can place the tokens of answers: ITL and TPOT are not known, and withheld.
    pub pace_withheld: bool,
    /// Time over which what is called recent was gathered, s.
    pub recent_s: f64,
    /// Requests that completed in it; 0 where nobody asked for latencies.
    pub recent_completed: u64,
    /// The GPUs that are read.
    pub gpus: Vec<GpuHead>,
    /// The newest sample of each sensor and device.
    pub sensed: Vec<Sample>,
}

impl LiveSnapshot {
    /// Adds the counts of another run of the same load: what moves (in flight, sensed) stays this one's.
    pub fn join(&mut self, other: &LiveSnapshot) {
        let in_flight = self.counts.in_flight;
        self.counts.join(&other.counts);
        self.counts.in_flight = in_flight;
        self.pace_withheld |= other.pace_withheld;
        if let (Some(latencies), Some(more)) = (&mut self.latencies, &other.latencies) {
            latencies.join(more);
        }
    }
}

/// Latencies of completed requests, as the summary counts them.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveLatencies {
    /// Time to first token.
    pub ttft: LiveLatency,
    /// Time a further token of a request.
    pub tpot: LiveLatency,
    /// Steps between tokens.
    pub itl: LiveLatency,
    /// From the send to the last token.
    pub e2e: LiveLatency,
}

impl LiveLatencies {
    fn join(&mut self, other: &LiveLatencies) {
        self.ttft.histogram.join(&other.ttft.histogram);
        self.tpot.histogram.join(&other.tpot.histogram);
        self.itl.histogram.join(&other.itl.histogram);
        self.e2e.histogram.join(&other.e2e.histogram);
    }
}

impl Default for LiveLatencies {
    fn default() -> Self {
        let of = |bounds_s| LiveLatency { histogram: LiveHistogram::new(bounds_s), run: None, recent: None };
        LiveLatencies {
            ttft: of(WAIT_BOUNDS_S),
            tpot: of(STEP_BOUNDS_S),
            itl: of(STEP_BOUNDS_S),
            e2e: of(WAIT_BOUNDS_S),
        }
    }
}

/// One latency. A pace that is withheld is in the histogram all the same: whoever shows it asks
/// [`LiveSnapshot::pace_withheld`] first; its percentiles are none.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveLatency {
    /// Of the run so far.
    pub histogram: LiveHistogram,
    /// Percentiles of the run so far; none without a value.
    pub run: Option<LivePercentiles>,
    /// Percentiles of the last ten seconds; none without a value in them.
    pub recent: Option<LivePercentiles>,
}

/// Percentiles of values so far, ms; within 1 % of the exact ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LivePercentiles {
    /// Values.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The highest.
    pub max_ms: f64,
}
