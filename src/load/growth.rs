//! How many client threads a load takes: by its size before anything is known, and by what the warm-up shows.

use std::fmt;

use crate::schema::plan::LoadPoint;
use crate::schema::record::{RequestRecord, StampKind};
use crate::schema::traffic::Traffic;

/// Streams of [`EVENTS_A_STREAM`] that one thread carries at about half to two thirds of its time (docs/exactness.md).
pub const STREAMS_A_THREAD: f64 = 1_500.0;
/// Token-carrying events a second of such a stream.
const EVENTS_A_STREAM: f64 = 50.0;
/// Before anything is known of an open loop, its answers are taken to last so long, s: its cap says little.
const LONG_ANSWER_S: f64 = 60.0;

/// A thread is to be busy for no more than this share of its time.
const BUSY_MOST: f64 = 0.5;
/// A thread that was less busy says nothing of one that is busy: what wakes it for one event finds many then.
const BUSY_LEAST: f64 = 0.2;
/// Nor does a warm-up that was shorter, µs.
const WARMUP_LEAST_US: u64 = 500_000;
/// Share of events that may be merged.
const MERGED_MOST: f64 = 0.01;
/// The p99 of the reader lag may be so much, ms. Kernel stamps do not care when they are read: only a thread that does not
/// keep up is meant.
const LAG_MOST_MS: f64 = 20.0;
/// So many events, or requests, are enough to judge by.
const EVENTS_LEAST: u64 = 200;
const LAGS_LEAST: usize = 50;

/// Client threads for a load, by its size: 1 to `most`. `workers` machines share it.
pub fn threads_for(load: &LoadPoint, workers: u32, most: u32) -> u32 {
    let streams = match &load.traffic {
        Traffic::Closed { slots, .. } => f64::from(slots.get()),
        Traffic::Open { arrivals, cap } => {
            // Without a cap those that are due at once are known: the warm-up will show how long an answer lasts.
            let at_once = || arrivals.at_once().or(load.until.requests()).unwrap_or(0) as f64;
            let rate = arrivals.peak_rate().unwrap_or(f64::INFINITY);
            cap.map_or_else(at_once, |cap| f64::from(cap.get()).min(rate * LONG_ANSWER_S))
        }
    };
    let streams = load.until.requests().map_or(streams, |requests| streams.min(requests as f64));
    whole(streams / f64::from(workers.max(1)) / STREAMS_A_THREAD).clamp(1, most.max(1))
}

fn whole(threads: f64) -> u32 {
    // A cast of a float saturates.
    threads.ceil().max(1.0) as u32
}

/// What the records of a warm-up show.
#[derive(Debug, Default)]
pub(crate) struct Warmed {
    requests: u64,
    /// Sum of their times in flight, µs.
    stream_us: u64,
    events: u64,
    /// Of those that were looked at, and how many are merged.
    looked: u64,
    merged: u64,
    lags_us: Vec<u32>,
}

impl Warmed {
    /// Adds one. All of a warm-up's first requests start at once, as those of the measured phase do not: of one sent
    /// before the first had ended, the later half of the time counts.
    pub(crate) fn add(&mut self, record: &RequestRecord, first_end_us: Option<u64>) {
        let (Some(sent_us), Some(last_us)) = (record.sent_us, record.last_token_us) else { return };
        self.requests += 1;
        self.stream_us += last_us.saturating_sub(sent_us);
        self.events += record.chunks.len() as u64;
        if record.stamps == StampKind::Read {
            // Streams of one HTTP/2 connection share its reads, however many threads there are.
            return;
        }
        let is_first = first_end_us.is_none_or(|end_us| sent_us <= end_us);
        let from_us = if is_first { sent_us + last_us.saturating_sub(sent_us) / 2 } else { 0 };
        for chunk in record.chunks.iter().filter(|chunk| chunk.at_us >= from_us) {
            self.looked += 1;
            self.merged += u64::from(chunk.is_merged());
        }
        if !is_first {
            self.lags_us.push(record.reader_lag_max_us);
        }
    }

    /// Mean time in flight, µs; none without a request.
    pub(crate) fn mean_e2e_us(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.stream_us as f64 / self.requests as f64)
    }

    fn lag_p99_ms(&self) -> Option<f64> {
        let mut lags = self.lags_us.clone();
        lags.sort_unstable();
        let rank = (lags.len() as f64 * 0.99) as usize;
        lags.get(rank).filter(|_| lags.len() >= LAGS_LEAST).map(|us| f64::from(*us) / 1e3)
    }
}

/// What a warm-up has shown, and of how many threads.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) threads: u32,
    /// From its start to its end, µs.
    pub(crate) wall_us: u64,
    /// CPU time of the thread that took the most, s.
    pub(crate) busiest_s: f64,
    pub(crate) warmed: Warmed,
}

/// Requests that will be in flight in the measured phase; none where nobody knows. `e2e_us` is how long one lasted in
/// the warm-up.
pub(crate) fn streams_ahead(load: &LoadPoint, e2e_us: Option<f64>) -> Option<f64> {
    let streams = match &load.traffic {
        Traffic::Closed { slots, .. } => f64::from(slots.get()),
        Traffic::Open { arrivals, cap } => {
            let rate = arrivals.peak_rate().map_or(f64::INFINITY, |rate| rate);
            let cap = cap.map_or(f64::INFINITY, |cap| f64::from(cap.get()));
            cap.min(rate * e2e_us? / 1e6)
        }
    };
    let streams = load.until.requests().map_or(streams, |requests| streams.min(requests as f64));
    streams.is_finite().then_some(streams)
}

/// More client threads than the load began with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grown {
    /// So many play the measured phase.
    pub threads: u32,
    /// What of the warm-up said so.
    pub why: Why,
    /// More would have been started had there been cores for them.
    pub short: bool,
}

/// What of a warm-up says that a load takes more client threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// One was busy for this share of its time, and would be for that in the measured phase.
    Busy {
        /// 0 to 1.
        was: f64,
        /// At the measured load, by proportion.
        will_be: f64,
    },
    /// So many token-carrying events a second are to come.
    Events(f64),
    /// This share of events was read together with later ones, 0 to 1.
    Merged(f64),
    /// The p99 of the reader lag, ms.
    Lag(f64),
}

/// `4 client threads: the warm-up kept one busy for 83 %`
impl fmt::Display for Grown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        write!(out, "{} client thread{plural}: ", self.threads)?;
        match self.why {
            Why::Busy { was, will_be } if will_be > 1.05 * was => {
                write!(out, "the warm-up kept one busy for {:.0} %, which would become ", 100.0 * was)?;
                write!(out, "{:.0} % at the measured load", 100.0 * will_be)?;
            }
            Why::Busy { was, .. } => write!(out, "the warm-up kept one busy for {:.0} %", 100.0 * was)?,
            Why::Events(per_s) => write!(out, "by the warm-up {per_s:.0} events a second are to come")?,
            Why::Merged(share) => write!(out, "{:.1} % of the warm-up's events were merged", 100.0 * share)?,
            Why::Lag(ms) => write!(out, "the reader lag P99 of the warm-up was {ms:.1} ms")?,
        }
        if self.short {
            write!(out, "; more would be started had this machine the cores")?;
        }
        Ok(())
    }
}

/// Whether the measured phase takes more threads than played the warm-up, and how many; none where it does not, or where
/// there may be no more. `ahead` requests will be in flight.
pub(crate) fn grown(shown: &Shown, ahead: Option<f64>, most: u32) -> Option<Grown> {
    if shown.threads >= most {
        return None;
    }
    let found = [by_busy(shown, ahead), by_events(shown, ahead), by_lateness(shown)];
    let (wanted, why) = found.into_iter().flatten().max_by_key(|(wanted, _)| *wanted)?;
    let threads = wanted.min(most);
    (threads > shown.threads).then_some(Grown { threads, why, short: wanted > most })
}

fn by_busy(shown: &Shown, ahead: Option<f64>) -> Option<(u32, Why)> {
    let wall_us = shown.wall_us as f64;
    let was = (shown.busiest_s * 1e6 / wall_us).min(1.0);
    let in_flight = shown.warmed.stream_us as f64 / wall_us;
    let enough = shown.wall_us >= WARMUP_LEAST_US && was >= BUSY_LEAST && in_flight > 0.0;
    let will_be = was * ahead.filter(|_| enough)? / in_flight;
    (will_be > BUSY_MOST)
        .then(|| (whole(f64::from(shown.threads) * will_be / BUSY_MOST), Why::Busy { was, will_be }))
}

fn by_events(shown: &Shown, ahead: Option<f64>) -> Option<(u32, Why)> {
    let Warmed { events, stream_us, .. } = shown.warmed;
    let enough = events >= EVENTS_LEAST && stream_us > 0;
    let per_s = ahead.filter(|_| enough)? * events as f64 / (stream_us as f64 / 1e6);
    Some((whole(per_s / (STREAMS_A_THREAD * EVENTS_A_STREAM)), Why::Events(per_s)))
}

/// Nobody knows how many it takes: twice as many.
fn by_lateness(shown: &Shown) -> Option<(u32, Why)> {
    let warmed = &shown.warmed;
    let merged = warmed.merged as f64 / warmed.looked.max(1) as f64;
    let more = shown.threads.saturating_mul(2);
    if warmed.looked >= EVENTS_LEAST && merged > MERGED_MOST {
        return Some((more, Why::Merged(merged)));
    }
    let lag_ms = warmed.lag_p99_ms().filter(|lag_ms| *lag_ms > LAG_MOST_MS)?;
    Some((more, Why::Lag(lag_ms)))
}

#[cfg(test)]
#[path = "growth_tests.rs"]
mod tests;
