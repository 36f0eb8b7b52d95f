//! The two windows of a run: all of it, and its steady state.

use crate::schema::files::EngineFigures;
use crate::schema::record::{Chunks, Outcome, RequestRecord};
use crate::schema::summary::{Distribution, SteadyState};

use super::curve_points::Binned;
use super::timeline::Timeline;

/// A steady state shorter than this says too little, µs.
const STEADY_LEAST_US: u64 = 1_000_000;
/// A closed loop runs in waves: a window of a few of them counts one wave's end too many or too few. With
/// 10 times the median E2E the steady rate was seen within 2 % of Little's law, with 6 up to 5 % above it.
const STEADY_LEAST_E2ES: f64 = 10.0;
/// Nor does one with fewer completed requests.
const STEADY_LEAST_COMPLETED: u64 = 10;

/// Stamps that bound the windows, over measured requests.
#[derive(Debug)]
pub(super) struct Window {
    open_loop: bool,
    concurrency: u64,
    first_due_us: Option<u64>,
    first_sent_us: Option<u64>,
    first_ready_us: Option<u64>,
    last_issue_us: u64,
    last_end_us: Option<u64>,
    last_cut_us: Option<u64>,
    /// Latest first token among the first `concurrency` requests.
    first_wave_us: u64,
    arrivals: Timeline,
    completions: Timeline,
}

/// The whole run, µs from the run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) from_us: u64,
    pub(super) to_us: u64,
}

impl Whole {
    /// Its length, seconds.
    pub(super) fn duration_s(self) -> f64 {
        (self.to_us - self.from_us) as f64 / 1e6
    }
}

impl Window {
    pub(super) fn new(open_loop: bool, concurrency: u64) -> Self {
        Window {
            open_loop,
            concurrency,
            first_due_us: None,
            first_sent_us: None,
            first_ready_us: None,
            last_issue_us: 0,
            last_end_us: None,
            last_cut_us: None,
            first_wave_us: 0,
            arrivals: Timeline::default(),
            completions: Timeline::default(),
        }
    }

    /// Adds a measured request, but for its events.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        earliest(&mut self.first_ready_us, Some(record.ready_us));
        earliest(&mut self.first_due_us, record.due_us);
        earliest(&mut self.first_sent_us, record.sent_us);
        let issued_us = if self.open_loop { record.due_us } else { record.sent_us };
        self.last_issue_us = self.last_issue_us.max(issued_us.unwrap_or(0));
        match &record.outcome {
            Outcome::Completed => {
                latest(&mut self.last_end_us, record.end_us);
                self.completions.add(record.end_us, 1);
            }
            Outcome::Failed { .. } => latest(&mut self.last_end_us, record.end_us),
            // These end where the client cut them off: that says nothing of the server.
            Outcome::Cancelled | Outcome::Dropped => latest(&mut self.last_cut_us, record.end_us),
        }
        // The first wave is of first turns. Records of before there were units have none but the first.
        let number = if record.unit == 0 { record.index } else { record.unit };
        if record.turn == 0 && number < self.concurrency {
            self.first_wave_us = self.first_wave_us.max(record.first_token_us.unwrap_or(0));
        }
    }

    /// Adds the events of a measured request.
    pub(super) fn add_events(&mut self, chunks: &Chunks) {
        for chunk in chunks.iter() {
            self.arrivals.add(chunk.at_us, chunk.tokens);
        }
    }

    /// The same of single tokens, and gives on the gap of each but the first to the one before: their events are gone
    /// over once for both.
    #[inline]
    pub(super) fn add_single_events(&mut self, chunks: &Chunks, mut gap: impl FnMut(u64)) {
        let mut before_us = None;
        for chunk in chunks.iter() {
            self.arrivals.add(chunk.at_us, chunk.tokens);
            if let Some(before_us) = before_us {
                gap(chunk.at_us - before_us);
            }
            before_us = Some(chunk.at_us);
        }
    }

    /// Adds the requests of another of the same run.
    pub(super) fn merge(&mut self, other: Window) {
        earliest(&mut self.first_due_us, other.first_due_us);
        earliest(&mut self.first_sent_us, other.first_sent_us);
        earliest(&mut self.first_ready_us, other.first_ready_us);
        self.last_issue_us = self.last_issue_us.max(other.last_issue_us);
        other.last_end_us.into_iter().for_each(|at_us| latest(&mut self.last_end_us, at_us));
        other.last_cut_us.into_iter().for_each(|at_us| latest(&mut self.last_cut_us, at_us));
        self.first_wave_us = self.first_wave_us.max(other.first_wave_us);
        self.arrivals.merge(other.arrivals);
        self.completions.merge(other.completions);
    }

    /// From the first due (open loop) or sent (closed loop) request to the last end of a completed or
    /// failed one; where none ended so, to the last cancelled one.
    pub(super) fn whole(&self) -> Option<Whole> {
        let planned = if self.open_loop { self.first_due_us } else { None };
        let from_us = planned.or(self.first_sent_us).or(self.first_ready_us)?;
        let to_us = self.last_end_us.or(self.last_cut_us)?.max(from_us);
        Some(Whole { from_us, to_us })
    }

    /// Output tokens as they arrived, over the whole run.
    pub(super) fn arrivals(&self) -> Binned<'_, u32> {
        self.arrivals.binned()
    }

    /// Output tokens by second of the whole run.
    pub(super) fn tokens_by_second(&self) -> Vec<u64> {
        self.whole().map_or_else(Vec::new, |whole| self.arrivals.by_second(whole.from_us, whole.to_us))
    }

    /// The run without ramp and drain. It ends when no more requests are issued. In a closed loop it
    /// begins when the ramp is over and each of the first `concurrency` requests has its first token;
    /// in an open loop one p90 of E2E after the first due time, when the server has filled up (under a
    /// load that it cannot carry E2E grows without end, and there is no steady state). None under 1 s
    /// or 10 completed requests, nor in a closed loop under 10 times the median E2E.
    pub(super) fn steady(&self, engine: &EngineFigures, e2e: Option<&Distribution>) -> Option<SteadyState> {
        let whole = self.whole()?;
        let ramped_us = if self.open_loop {
            whole.from_us + (e2e?.p90 * 1e3) as u64
        } else {
            engine.ramp_to_us.max(self.first_wave_us).max(whole.from_us)
        };
        // A run that was cut short has no word from the engine: the last issued request stands in.
        let issue_end_us = if engine.issue_end_us > 0 { engine.issue_end_us } else { self.last_issue_us };
        let to_us = issue_end_us.min(whole.to_us);
        let tokens = self.arrivals.inside(ramped_us, to_us);
        let completed = self.completions.inside(ramped_us, to_us);
        if tokens.to_us - tokens.from_us < STEADY_LEAST_US || completed.count < STEADY_LEAST_COMPLETED {
            return None;
        }
        let waves_us = e2e.map_or(0.0, |e2e| e2e.p50 * 1e3 * STEADY_LEAST_E2ES);
        if !self.open_loop && ((tokens.to_us - tokens.from_us) as f64) < waves_us {
            return None;
        }
        let seconds = |inside: super::timeline::Inside| (inside.to_us - inside.from_us) as f64 / 1e6;
        let after_start_s = |at_us: u64| at_us.saturating_sub(whole.from_us) as f64 / 1e6;
        Some(SteadyState {
            from_s: after_start_s(tokens.from_us),
            to_s: after_start_s(tokens.to_us),
            output_tps: tokens.count as f64 / seconds(tokens),
            rps: completed.count as f64 / seconds(completed),
        })
    }
}

fn earliest(held: &mut Option<u64>, at_us: Option<u64>) {
    *held = match (*held, at_us) {
        (Some(held), Some(at_us)) => Some(held.min(at_us)),
        (held, at_us) => held.or(at_us),
    };
}

fn latest(held: &mut Option<u64>, at_us: u64) {
    *held = Some(held.map_or(at_us, |held| held.max(at_us)));
}
