//! What is known of a run while it goes: fed by the recorder and the sampler, read by whoever shows it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::analysis::PaceWatch;
use crate::schema::gpu::{GpuHead, GpusHead};
use crate::schema::live::LiveCounters;
use crate::schema::live_counts::LiveCounts;
use crate::schema::live_snapshot::LiveSnapshot;
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::request_figures::Figured;
use crate::schema::sample::{Sample, Source};
use crate::schema::unit::Phase;

use super::live_latencies::{Latencies, RECENT_S};

/// TTFTs that the live median is taken from.
const NEWEST: usize = 512;

/// A sample that is older, and older than three times what lay between it and the one before, is shown no more: its
/// sensor has stopped.
const OLD: Duration = Duration::from_secs(10);

/// Figures of a run that goes, shared; of measured requests. Latencies are gathered only where somebody asked for
/// them ([`LiveFigures::keep_latencies`]): a run that nobody watches pays for a few counts.
#[derive(Debug, Clone, Default)]
pub struct LiveFigures {
    counters: Arc<LiveCounters>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    newest_ttft_ms: VecDeque<f64>,
    completed: u64,
    failures: BTreeMap<FailureKind, u64>,
    cancelled: u64,
    dropped: u64,
    prompt_tokens: u64,
    output_tokens: u64,
    /// Of the other workers.
    others: LiveCounts,
    watched: Option<Watched>,
    gpus: Vec<GpuHead>,
    sensed: BTreeMap<(Source, Option<u32>), Sensed>,
}

/// A sensor's newest sample.
#[derive(Debug)]
struct Sensed {
    sample: Sample,
    taken: Instant,
    /// From the one before to it.
    interval: Duration,
    /// Values that it lacks, of earlier ones: not every reading of a GPU tells all.
    earlier: BTreeMap<String, (f64, Instant)>,
}

impl Sensed {
    /// The sample with what earlier ones told and may still hold.
    fn whole(&self, now: Instant) -> Sample {
        let holds = |at: Instant| now.duration_since(at) <= OLD;
        let earlier = self.earlier.iter().filter(|(_, (_, at))| holds(*at));
        let mut sample = self.sample.clone();
        sample.values.extend(earlier.map(|(name, (value, _))| (name.clone(), *value)));
        sample
    }
}

/// What is gathered for who watches.
#[derive(Debug)]
struct Watched {
    since: Instant,
    pace: PaceWatch,
    latencies: Latencies,
}

impl LiveFigures {
    /// Of a run whose load counts by `counters`.
    pub fn new(counters: Arc<LiveCounters>) -> LiveFigures {
        LiveFigures { counters, known: Arc::default() }
    }

    /// From now on latencies are gathered too: asked for when the load begins, they are of all of it.
    pub fn keep_latencies(&self) {
        self.known().watched.get_or_insert_with(|| Watched {
            since: Instant::now(),
            pace: PaceWatch::default(),
            latencies: Latencies::default(),
        });
    }

    /// Takes in what other workers have counted of the run by now, in place of what they had before. Latencies stay those
    /// of this one's share.
    pub fn know_others(&self, counts: LiveCounts) {
        self.known().others = counts;
    }

    /// Adds a request that has ended.
    pub fn add(&self, record: &RequestRecord) {
        if record.phase == Phase::Measured {
            self.known().add(record);
        }
    }

    /// Takes in which GPUs are read.
    pub fn know_gpus(&self, head: Option<&GpusHead>) {
        self.known().gpus = head.map(|head| head.devices.clone()).unwrap_or_default();
    }

    /// Takes a sample in.
    pub fn sense(&self, sample: &Sample) {
        self.sense_at(sample, Instant::now());
    }

    fn sense_at(&self, sample: &Sample, taken: Instant) {
        let place = (sample.source, sample.device);
        let mut known = self.known();
        let before = known.sensed.remove(&place);
        let interval = before.as_ref().map_or(Duration::ZERO, |before| taken.duration_since(before.taken));
        let mut earlier = BTreeMap::new();
        if let Some(before) = before.filter(|_| sample.source == Source::Gpu) {
            let told = before.sample.values.into_iter().map(|(name, value)| (name, (value, before.taken)));
            earlier = before.earlier.into_iter().chain(told).collect();
            earlier.retain(|name, _| !sample.values.contains_key(name));
        }
        known.sensed.insert(place, Sensed { sample: sample.clone(), taken, interval, earlier });
    }

    /// Median of the newest TTFTs, ms.
    pub fn ttft_p50_ms(&self) -> Option<f64> {
        let mut newest: Vec<f64> = self.known().newest_ttft_ms.iter().copied().collect();
        newest.sort_by(f64::total_cmp);
        newest.get(newest.len() / 2).copied()
    }

    /// The newest sample of each sensor and device that has not stopped.
    pub fn sensed(&self) -> Vec<Sample> {
        self.known().sensed_at(Instant::now())
    }

    /// All that is known now.
    pub fn snapshot(&self) -> LiveSnapshot {
        let count = LiveCounters::get;
        let counters = &self.counters;
        let known = self.known();
        let watched = known.watched.as_ref();
        let now_s = watched.map_or(0, |watched| watched.since.elapsed().as_secs());
        let pace_withheld = watched.is_some_and(|watched| watched.pace.withholds());
        let mut counts = LiveCounts {
            issued: count(&counters.issued),
            in_flight: count(&counters.in_flight),
            warmup_done: count(&counters.warmup_done),
            token_events: count(&counters.chunks),
            completed: known.completed,
            failures: known.failures.clone(),
            cancelled: known.cancelled,
            dropped: known.dropped,
            prompt_tokens: known.prompt_tokens,
            output_tokens: known.output_tokens,
        };
        counts.join(&known.others);
        LiveSnapshot {
            counts,
            measuring: count(&counters.measured_from_us) > 0,
            latencies: watched.map(|watched| watched.latencies.shown(now_s, pace_withheld)),
            pace_withheld,
            recent_s: watched.map_or(0.0, |watched| recent_s(watched.since.elapsed().as_secs_f64())),
            recent_completed: watched.map_or(0, |watched| watched.latencies.recent_completed(now_s)),
            gpus: known.gpus.clone(),
            sensed: known.sensed_at(Instant::now()),
        }
    }

    /// What a thread that panicked left is still worth showing.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The second that goes on is not whole yet, and nine whole ones stand before it.
fn recent_s(since_s: f64) -> f64 {
    since_s.min(RECENT_S as f64 - 1.0 + since_s.fract())
}

impl Known {
    fn sensed_at(&self, now: Instant) -> Vec<Sample> {
        let is_new = |one: &&Sensed| now.duration_since(one.taken) <= OLD.max(one.interval * 3);
        self.sensed.values().filter(is_new).map(|one| one.whole(now)).collect()
    }

    fn add(&mut self, record: &RequestRecord) {
        match &record.outcome {
            Outcome::Completed => self.add_completed(record),
            Outcome::Failed { kind, detail: _ } => *self.failures.entry(*kind).or_default() += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Dropped => self.dropped += 1,
        }
    }

    fn add_completed(&mut self, record: &RequestRecord) {
        let request = Figured::of(record);
        self.completed += 1;
        self.prompt_tokens += u64::from(request.counts.prompt.unwrap_or(0));
        self.output_tokens += u64::from(request.counts.output.unwrap_or(0));
        if let Some(ttft_ms) = record.ttft_ms() {
            if self.newest_ttft_ms.len() == NEWEST {
                self.newest_ttft_ms.pop_front();
            }
            self.newest_ttft_ms.push_back(ttft_ms);
        }
        if let Some(watched) = &mut self.watched {
            watched.pace.add(&request);
            watched.latencies.add(&request, watched.since.elapsed().as_secs());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "live_figures_tests.rs"]
mod tests;
