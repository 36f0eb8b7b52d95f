//! The run that is played: what is known of it now, and over the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use crate::pipeline::LiveFigures;
use crate::schema::live::LiveCounters;
use crate::schema::plan::{LoadPoint, RunKey};
use crate::schema::record::FailureKind;
use crate::schema::sample::Sample;

use super::machine::Machine;

/// Seconds that the small charts show.
pub const MINUTE: usize = 60;
/// Rates are of so long a time.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Percentiles over the last seconds, ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moving {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// What is known of a run at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Requests whose turn came.
    pub issued: u64,
    /// Requests completed.
    pub completed: u64,
    /// Requests failed.
    pub failed: u64,
    /// Requests sent and not ended.
    pub in_flight: u64,
    /// Token-carrying events.
    pub chunks: u64,
    /// Warm-up requests ended.
    pub warmup_done: u64,
    /// The measured phase has begun.
    pub measuring: bool,
    /// Time to first token.
    pub ttft: Option<Moving>,
    /// Between two tokens.
    pub itl: Option<Moving>,
    /// Failures by kind.
    pub failures: Vec<(FailureKind, u64)>,
    /// The newest sample of each sensor and device.
    pub sensed: Vec<Sample>,
}

impl Snapshot {
    /// Reads the counters and figures of a run.
    pub fn take(live: &LiveCounters, figures: &LiveFigures) -> Self {
        Snapshot {
            issued: LiveCounters::get(&live.issued),
            completed: LiveCounters::get(&live.completed),
            failed: LiveCounters::get(&live.failed),
            in_flight: LiveCounters::get(&live.in_flight),
            chunks: LiveCounters::get(&live.chunks),
            warmup_done: LiveCounters::get(&live.warmup_done),
            measuring: LiveCounters::get(&live.measured_from_us) > 0,
            ttft: figures.ttft_p50_ms().map(|p50| Moving { p50, p90: p50, p99: p50 }),
            itl: None,
            failures: Vec::new(),
            sensed: figures.sensed(),
        }
    }
}

/// A second of the small charts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Second {
    /// Token-carrying events a second.
    pub tokens_s: f64,
    /// 99th percentile of TTFT, ms.
    pub ttft_p99: Option<f64>,
    /// 99th percentile of ITL, ms.
    pub itl_p99: Option<f64>,
}

/// The run that is played; times are since the picture began.
#[derive(Debug, Clone)]
pub struct RunNow {
    /// Which.
    pub key: RunKey,
    /// `concurrency 8, round 2`; empty for the only run of its backend.
    pub words: String,
    /// Requests after which it ends.
    pub most_requests: Option<u64>,
    /// Seconds after which it ends.
    pub most_s: Option<f64>,
    /// When its load began.
    pub since: Duration,
    /// When its measured phase was first seen.
    pub measuring_since: Option<Duration>,
    /// When its load ended.
    pub ended: Option<Duration>,
    /// What is known of it.
    pub last: Snapshot,
    /// Requests that ended a second.
    pub requests_s: f64,
    /// Token-carrying events a second.
    pub tokens_s: f64,
    /// The last minute, oldest first.
    pub seconds: VecDeque<Second>,
    /// What was sensed.
    pub machine: Machine,
    /// Requests ended and tokens at the last looks, oldest first.
    looks: VecDeque<(Duration, u64, u64)>,
    /// Whole seconds of the measured phase that were put into `seconds`.
    filled: usize,
}

impl RunNow {
    /// Its load begins.
    pub fn new(key: &RunKey, load: &LoadPoint, words: String, since: Duration) -> Self {
        RunNow {
            key: key.clone(),
            words,
            most_requests: load.until.requests(),
            most_s: load.until.duration_s(),
            since,
            measuring_since: None,
            ended: None,
            last: Snapshot::default(),
            requests_s: 0.0,
            tokens_s: 0.0,
            seconds: VecDeque::new(),
            machine: Machine::default(),
            looks: VecDeque::new(),
            filled: 0,
        }
    }

    /// Takes in what is known at `now`.
    pub fn observe(&mut self, now: Duration, snapshot: Snapshot) {
        if snapshot.measuring && self.measuring_since.is_none() {
            self.measuring_since = Some(now);
            self.looks.clear();
        }
        let ended = snapshot.completed + snapshot.failed;
        self.looks.push_back((now, ended, snapshot.chunks));
        // One look lies at or before the beginning of the time that rates are of.
        while self.looks.get(1).is_some_and(|(at, _, _)| *at + RATE_OVER <= now) {
            self.looks.pop_front();
        }
        if let Some((at, before, chunks)) = self.looks.front()
            && *at + RATE_OVER / 8 <= now
        {
            let seconds = (now - *at).as_secs_f64();
            self.requests_s = ended.saturating_sub(*before) as f64 / seconds;
            self.tokens_s = snapshot.chunks.saturating_sub(*chunks) as f64 / seconds;
        }
        self.machine.observe(&snapshot.sensed);
        self.last = snapshot;
        if let Some(since) = self.measuring_since {
            self.fill_seconds((now - since).as_secs() as usize);
        }
    }

    /// One point a second, however seldom or often somebody looks.
    fn fill_seconds(&mut self, whole: usize) {
        let second = Second {
            tokens_s: self.tokens_s,
            ttft_p99: self.last.ttft.map(|ttft| ttft.p99),
            itl_p99: self.last.itl.map(|itl| itl.p99),
        };
        let filled = self.filled;
        for _ in filled..whole.min(filled + MINUTE) {
            if self.seconds.len() == MINUTE {
                self.seconds.pop_front();
            }
            self.seconds.push_back(second);
        }
        self.filled = whole.max(filled);
    }

    /// How far it is, 0 to 1, at `now`; none where nothing ends it.
    pub fn progress(&self, now: Duration) -> Option<f64> {
        let ended = self.last.completed + self.last.failed;
        let requests = self.most_requests.map(|most| ended as f64 / most.max(1) as f64);
        let time = self.most_s.map(|most| self.measured_s(now) / most);
        let shares = [requests, time].into_iter().flatten();
        shares.reduce(f64::max).map(|share| share.clamp(0.0, 1.0))
    }

    /// Seconds of its measured phase by `now`.
    pub fn measured_s(&self, now: Duration) -> f64 {
        let until = self.ended.unwrap_or(now);
        self.measuring_since.map_or(0.0, |since| until.saturating_sub(since).as_secs_f64())
    }
}
