//! Whether a server keeps up with an open loop: how fast requests are due, and how fast as many end.
//!
//! Two stairs rise over time: requests that are due, and requests that have ended. What lies between them upwards is
//! in flight or waits, what lies between them to the right is how long the server is behind. Of a server that keeps up
//! both climb at one pace; else the queue grows by the difference, and every latency with it, for as long as the run
//! lasts. Both paces are taken over the same requests, so that neither the ramp nor the drain is held against the
//! server, though a run that offers ten times too much ends long before most of its answers.
//!
//! The noise is that of the server: Student's t over ten blocks of ended requests in a row (batch means: Law and Carson
//! 1979). By chance a law of arrivals may offer more than it promises; its promise counts then.

use crate::schema::flow::Flow;
use crate::schema::record::{Outcome, RequestRecord};

use super::bins::Bins;
use super::timeline::Timeline;

/// Blocks of requests.
const BLOCKS: u64 = 10;
/// Requests of the shortest block: 56 requests are a run.
const BLOCK_LEAST: u64 = 4;
/// One in so many requests is left out at each end, where the order in which answers end is that of their lengths.
const ENDS: u64 = 8;
/// One-sided 1 % of Student's t with nine degrees of freedom, and two-sided 5 %.
const T_SATURATED: f64 = 2.821;
const T_INTERVAL: f64 = 2.262;
/// A queue that grows by less than this share of the offered rate is no limit.
const GROWTH_LEAST: f64 = 0.05;
/// A run shorter than so many answers says nothing: its requests are all in flight together.
const ANSWERS_LEAST: f64 = 2.0;
/// Later requests must have waited for this share of what the queue's growth says.
const WAITED_LEAST: f64 = 0.5;

/// Arrivals at the server and ends, over the measured requests of an open loop.
#[derive(Debug, Default)]
pub(super) struct Stairs {
    due: Timeline,
    ended: Timeline,
    /// From due to end, by the order of issue.
    stays: Bins,
}

impl Stairs {
    /// Adds a measured request. Where the client itself was late, the server is not charged with it.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let Some(due_us) = record.due_us else { return };
        let could_be_sent_us = record.slot_us.map_or(due_us, |slot_us| slot_us.max(due_us));
        let own_us = record.sent_us.map_or(0, |sent_us| sent_us.saturating_sub(could_be_sent_us));
        let came_us = due_us + own_us;
        self.due.add(came_us, 1);
        match &record.outcome {
            Outcome::Completed | Outcome::Failed { .. } => {
                self.ended.add(record.end_us, 1);
                self.stays.add(record.index, record.end_us.saturating_sub(came_us));
            }
            // The client ended these.
            Outcome::Cancelled | Outcome::Dropped => {}
        }
    }

    /// Adds the requests of another part of the run.
    pub(super) fn merge(&mut self, other: Stairs) {
        self.due.merge(other.due);
        self.ended.merge(other.ended);
        self.stays.merge(other.stays);
    }

    /// What they say; none of a run that is too short, and of arrivals that promise no rate, as a burst and a closed
    /// loop.
    pub(super) fn flow(&self, planned_rps: Option<f64>) -> Option<Flow> {
        let planned_rps = planned_rps?;
        let ended = self.ended.total();
        let skipped = ended / ENDS;
        let block = ended.saturating_sub(2 * skipped + 1) / BLOCKS;
        if block < BLOCK_LEAST {
            return None;
        }
        let places: Vec<u64> = (0..=BLOCKS).map(|edge| skipped + edge * block).collect();
        let [due, ends] = [&self.due, &self.ended].map(|stair| stair.moments_s(&places));
        let first_due_s = self.due.moments_s(&[0]).first().copied()?;
        let early_s = self.stays.mean_of_first(ended / ENDS)? / 1e6;
        let late_s = self.stays.mean_of_last(ended / ENDS)? / 1e6;
        let paces = paces((&due, &ends), block, planned_rps)?;
        let long_enough = ends.last()? - first_due_s >= ANSWERS_LEAST * early_s;
        let waited = late_s - early_s >= WAITED_LEAST * paces.behind_s;
        let grew = paces.flow.growth_rps >= GROWTH_LEAST * paces.flow.offered_rps;
        let saturated = paces.t >= T_SATURATED && grew && waited;
        long_enough.then_some(Flow { saturated, ..paces.flow })
    }
}

/// Both paces over the same requests.
struct Paces {
    flow: Flow,
    /// How far the server's pace lies below that of the arrivals, in standard errors.
    t: f64,
    /// By how much later the last of them ended than it would have at the pace of the arrivals, s.
    behind_s: f64,
}

/// From the moments at the edges of blocks, s; none where they do not rise.
fn paces((due, ends): (&[f64], &[f64]), block: u64, planned_rps: f64) -> Option<Paces> {
    let [due_s, ended_s] =
        [due, ends].map(|edges| edges.last().zip(edges.first()).map(|(to, from)| to - from));
    let (due_s, ended_s) = (due_s?, ended_s?);
    let requests = (BLOCKS * block) as f64;
    if due_s <= 0.0 || ended_s <= 0.0 {
        return None;
    }
    let blocks: Vec<f64> = ends.windows(2).map(|edges| edges[1] - edges[0]).collect();
    let mean = ended_s / BLOCKS as f64;
    let squares: f64 = blocks.iter().map(|length| (length - mean).powi(2)).sum();
    let error = (squares / ((BLOCKS - 1) * BLOCKS) as f64).sqrt();
    let (offered, achieved) = (requests / due_s, requests / ended_s);
    // What the arrivals promise, or less where fewer came.
    let promised = planned_rps.min(offered);
    let behind = mean - block as f64 / promised;
    Some(Paces {
        flow: Flow {
            offered_rps: offered,
            achieved_rps: achieved,
            growth_rps: offered - achieved,
            growth_error_rps: T_INTERVAL * achieved * error / mean,
            saturated: false,
        },
        t: if error > 0.0 {
            behind / error
        } else if behind > 0.0 {
            f64::INFINITY
        } else {
            0.0
        },
        behind_s: BLOCKS as f64 * behind,
    })
}
