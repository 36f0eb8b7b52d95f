//! The client's own figures, and the rule that says when the client made the number and not the server.

use std::collections::BTreeMap;

use crate::schema::files::EngineFigures;
use crate::schema::record::{Outcome, RequestRecord, StampKind};
use crate::schema::summary::{ClientStats, Distribution};

use super::distribution::Samples;
use super::lateness::{self, Off};
use super::merged::MergedEvents;
use super::side_by_side::side_by_side;

/// A send delay below this is no doubt, ms.
const SEND_DELAY_FLOOR_MS: f64 = 1.0;
/// Nor one below this share of the median TTFT.
const SEND_DELAY_SHARE: f64 = 0.01;
/// Below this share of the planned rate the client did not keep up.
const ACHIEVED_LEAST: f64 = 0.99;
/// Load threads busier than this may have been waited for.
const CPU_SHARE_MOST: f64 = 0.9;

/// Figures of all measured requests that were sent, whatever became of them.
#[derive(Debug, Default)]
pub(super) struct Client {
    slot_wait: Samples,
    send_delay: Samples,
    reader_lag: Samples,
    connect: Samples,
    merged: MergedEvents,
    stamps: BTreeMap<StampKind, u64>,
    reconnects: u64,
    dropped: u64,
    pace: Pace,
}

impl Client {
    /// Adds a measured request.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.pace.add(record);
        self.dropped += u64::from(record.outcome == Outcome::Dropped);
        record.slot_wait_ms().into_iter().for_each(|wait_ms| self.slot_wait.add(wait_ms));
        record.connect_ms().into_iter().for_each(|connect_ms| self.connect.add(connect_ms));
        if record.sent_us.is_none() {
            return;
        }
        record.send_delay_ms().into_iter().for_each(|delay_ms| self.send_delay.add(delay_ms));
        if let Some(stamps) = record.answered_by() {
            *self.stamps.entry(stamps).or_default() += 1;
            // A read stamp is the return of the read: its lag is zero by definition and would hide the others'.
            if stamps == StampKind::Kernel {
                self.reader_lag.add(record.reader_lag_ms());
            }
        }
        self.reconnects += u64::from(record.replayed);
        self.merged.add(record);
    }

    /// Adds the requests of another.
    pub(super) fn merge(&mut self, other: Client) {
        self.slot_wait.merge(other.slot_wait);
        self.send_delay.merge(other.send_delay);
        self.reader_lag.merge(other.reader_lag);
        self.connect.merge(other.connect);
        self.merged.merge(other.merged);
        for (stamps, requests) in other.stamps {
            *self.stamps.entry(stamps).or_default() += requests;
        }
        self.reconnects += other.reconnects;
        self.dropped += other.dropped;
        self.pace.merge(other.pace);
    }

    /// Does what of the end can be done of a part.
    pub(super) fn settle(&mut self) {
        let all = [&mut self.slot_wait, &mut self.send_delay, &mut self.reader_lag, &mut self.connect];
        all.into_iter().for_each(Samples::settle);
    }

    /// The figures, with the verdict of [`reasons`]; the median TTFT is in ms. `off` gives the figures that may be off
    /// by too much, by the reader lag.
    pub(super) fn finish(
        self,
        engine: &EngineFigures,
        median_ttft_ms: Option<f64>,
        off: impl FnOnce(Option<&Distribution>) -> Vec<Off>,
    ) -> ClientStats {
        let send_delay_limit_ms = SEND_DELAY_FLOOR_MS.max(median_ttft_ms.unwrap_or(0.0) * SEND_DELAY_SHARE);
        let late_sends = self.send_delay.above(send_delay_limit_ms);
        let all = vec![self.slot_wait, self.send_delay, self.reader_lag, self.connect];
        let mut distributions = side_by_side(all, Samples::distribution).into_iter();
        let mut stats = ClientStats {
            send_delay_limit_ms,
            late_sends,
            dropped_sends: self.dropped,
            threads: engine.threads,
            slot_wait_ms: distributions.next().flatten(),
            send_delay_ms: distributions.next().flatten(),
            reader_lag_ms: distributions.next().flatten(),
            connect_ms: distributions.next().flatten(),
            merged_events: self.merged.share(),
            stamps: self.stamps,
            reconnects: self.reconnects,
            cpu_s: engine.cpu_s,
            cpu_share: cpu_share(engine),
            achieved_rate: self.pace.achieved(),
            client_limited: None,
        };
        let mut reasons = reasons(&stats, engine.busy_share, self.pace.own());
        let off = off(stats.reader_lag_ms.as_ref());
        reasons.extend(lateness::words(&off, stats.merged_events, stats.threads));
        stats.client_limited = (!reasons.is_empty()).then(|| reasons.join("; "));
        stats
    }
}

/// A phase that was shorter ended before it had begun: its CPU is that of beginning and ending, s.
const PHASE_LEAST_S: f64 = 0.01;

/// CPU seconds over wall seconds and threads of the measured phase, 0 to 1; 0 where that was too short to tell.
fn cpu_share(engine: &EngineFigures) -> f64 {
    let wall_s = engine.measured_to_us.saturating_sub(engine.measured_from_us) as f64 / 1e6;
    let available_s = wall_s * f64::from(engine.threads);
    if wall_s > PHASE_LEAST_S && available_s > 0.0 { (engine.cpu_s / available_s).min(1.0) } else { 0.0 }
}

/// Why the client made the number: in an open loop a send delay p99 above max(1 ms, 1 % of the median
/// TTFT), or less than 99 % of the planned rate through the client's own lateness (waiting for a slot
/// taken off, and by more than 1 ms over the run); in any loop a load thread busy for over 90 % of the time
/// in which requests were issued, or all of them, with the pacer's CPU, of the whole phase.
fn reasons(stats: &ClientStats, busy_share: f64, own: Option<OwnPace>) -> Vec<String> {
    let mut reasons = Vec::new();
    let limit_ms = stats.send_delay_limit_ms;
    if let Some(Distribution { p99, .. }) = &stats.send_delay_ms
        && *p99 > limit_ms
    {
        reasons.push(format!("send delay p99 is {p99:.2} ms, above {limit_ms:.2} ms"));
    }
    if let Some(own) = own
        && own.ratio < ACHIEVED_LEAST
        && own.late_ms > SEND_DELAY_FLOOR_MS
    {
        reasons.push(format!("only {:.1} % of the planned rate was sent", 100.0 * own.ratio));
    }
    if busy_share > CPU_SHARE_MOST {
        let percent = 100.0 * busy_share;
        reasons.push(format!(
            "a load thread was busy for {percent:.0} % of the time while requests were issued"
        ));
    } else if stats.cpu_share > CPU_SHARE_MOST {
        let percent = 100.0 * stats.cpu_share;
        reasons
            .push(format!("the load threads and the pacer took CPU for {percent:.0} % of the threads' time"));
    }
    reasons
}

/// First and last of some moments, µs, and how many.
#[derive(Debug, Default, Clone, Copy)]
struct Span {
    ends: Option<(u64, u64)>,
    count: u64,
}

impl Span {
    fn add(&mut self, at_us: u64) {
        let (first, last) = self.ends.unwrap_or((at_us, at_us));
        self.ends = Some((first.min(at_us), last.max(at_us)));
        self.count += 1;
    }

    fn merge(&mut self, other: Span) {
        if let Some((first, last)) = other.ends {
            let (held_first, held_last) = self.ends.unwrap_or((first, last));
            self.ends = Some((held_first.min(first), held_last.max(last)));
            self.count += other.count;
        }
    }

    fn length_us(&self) -> f64 {
        self.ends.map_or(0.0, |(first, last)| (last - first) as f64)
    }

    /// Gaps a µs; none where there is no gap or no time.
    fn rate(&self) -> Option<f64> {
        (self.count > 1 && self.length_us() > 0.0).then(|| (self.count - 1) as f64 / self.length_us())
    }
}

/// Planned and achieved pace of an open loop.
#[derive(Debug, Default)]
struct Pace {
    due: Span,
    sent: Span,
    /// Due times of the requests that were sent.
    due_of_sent: Span,
    /// When they would have been sent had none waited for a slot.
    sent_without_wait: Span,
}

#[derive(Debug, Clone, Copy)]
struct OwnPace {
    ratio: f64,
    late_ms: f64,
}

impl Pace {
    fn add(&mut self, record: &RequestRecord) {
        let Some(due_us) = record.due_us else { return };
        self.due.add(due_us);
        let Some(sent_us) = record.sent_us else { return };
        let waited_us = record.slot_us.map_or(0, |slot_us| slot_us.saturating_sub(due_us));
        self.sent.add(sent_us);
        self.due_of_sent.add(due_us);
        self.sent_without_wait.add(sent_us.saturating_sub(waited_us));
    }

    fn merge(&mut self, other: Pace) {
        self.due.merge(other.due);
        self.sent.merge(other.sent);
        self.due_of_sent.merge(other.due_of_sent);
        self.sent_without_wait.merge(other.sent_without_wait);
    }

    /// Sent requests a second over due requests a second, each over its own first to last.
    fn achieved(&self) -> Option<f64> {
        Some(self.sent.rate()? / self.due.rate()?)
    }

    /// The same without the waits for a slot: the client's own part.
    fn own(&self) -> Option<OwnPace> {
        let (planned, real) = (self.due_of_sent, self.sent_without_wait);
        let late_ms = (real.length_us() - planned.length_us()) / 1e3;
        Some(OwnPace { ratio: real.rate()? / planned.rate()?, late_ms })
    }
}
