//! The run that is played: what is known of it now, and over the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use crate::schema::live_snapshot::{LiveLatencies, LiveLatency, LivePercentiles, LiveSnapshot};
use crate::schema::plan::{LoadPoint, RunKey};

use super::machine::Machine;

/// Seconds that the small charts show.
pub const MINUTE: usize = 60;
/// Rates are of so long a time.
const RATE_OVER: Duration = Duration::from_secs(2);

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
    pub last: LiveSnapshot,
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
            last: LiveSnapshot::default(),
            requests_s: 0.0,
            tokens_s: 0.0,
            seconds: VecDeque::new(),
            machine: Machine::default(),
            looks: VecDeque::new(),
            filled: 0,
        }
    }

    /// Takes in what is known at `now`.
    pub fn observe(&mut self, now: Duration, snapshot: LiveSnapshot) {
        if snapshot.measuring && self.measuring_since.is_none() {
            self.measuring_since = Some(now);
            self.looks.clear();
        }
        let ended = snapshot.counts.completed + snapshot.counts.failed();
        self.looks.push_back((now, ended, snapshot.counts.token_events));
        // One look lies at or before the beginning of the time that rates are of.
        while self.looks.get(1).is_some_and(|(at, _, _)| *at + RATE_OVER <= now) {
            self.looks.pop_front();
        }
        if let Some((at, before, chunks)) = self.looks.front()
            && *at + RATE_OVER / 8 <= now
        {
            let seconds = (now - *at).as_secs_f64();
            self.requests_s = ended.saturating_sub(*before) as f64 / seconds;
            self.tokens_s = snapshot.counts.token_events.saturating_sub(*chunks) as f64 / seconds;
        }
        self.machine.observe(&snapshot.sensed);
        self.last = snapshot;
        if let Some(since) = self.measuring_since {
            self.fill_seconds((now - since).as_secs() as usize);
        }
    }

    /// Takes in the counts of a load that is over. What moved stays as it was at its end.
    pub fn count(&mut self, snapshot: LiveSnapshot) {
        let latencies = self.last.latencies.take();
        self.last = LiveSnapshot { latencies, ..snapshot };
    }

    /// One point a second, however seldom or often somebody looks.
    fn fill_seconds(&mut self, whole: usize) {
        let second = Second {
            tokens_s: self.tokens_s,
            ttft_p99: self.recent(|latencies| &latencies.ttft).map(|ttft| ttft.p99_ms),
            itl_p99: self.recent(|latencies| &latencies.itl).map(|itl| itl.p99_ms),
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

    /// A latency's percentiles over the last seconds.
    pub fn recent(&self, of: impl FnOnce(&LiveLatencies) -> &LiveLatency) -> Option<LivePercentiles> {
        self.last.latencies.as_ref().and_then(|latencies| of(latencies).recent)
    }

    /// How far it is, 0 to 1, at `now`; none where nothing ends it.
    pub fn progress(&self, now: Duration) -> Option<f64> {
        let ended = self.last.counts.completed + self.last.counts.failed();
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
