//! The figures of one request, each said once beside its stamps: all else that shows one asks here.

use super::record::{Chunk, Outcome, RequestRecord, StampKind};
use super::token_counts::Counts;
use super::unit::Phase;

const US_PER_MS: f64 = 1e3;
const US_PER_S: f64 = 1e6;

/// Events that came within this, µs, came together; so did those within a tenth of the gap before them.
const TOGETHER_US: u64 = 100;

/// A reply that was made whole and then sent in pieces: of so many events or more, one after the other within less
/// than this, µs, and all of them within so small a part of the time before the first.
const REPLAY_EVENTS: usize = 4;
const REPLAY_GAP_US: u64 = 500;
const REPLAY_PART: u64 = 50;

/// Where a request's events and its delivered tokens differ by more than this, %, in a run that agrees as a whole,
/// its events are counted.
const OWN_DIFFERENCE_PCT: u64 = 10;

/// From the first token event of an answer to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Tokens that were shown.
    pub n: u32,
    /// Its length, µs.
    pub window_us: u64,
    /// Tokens that events after the first moment carry.
    pub after: u32,
    /// Tokens that the pace is over: those that came after the first moment; 0 where there is no pace.
    pub steps: u32,
    /// Tokens that nobody can place in the window or before it.
    pub unplaced: u32,
    /// All of two tokens or more came at one time, or as good as that: whoever sends them so had them before.
    pub came_at_once: bool,
}

/// A request with what several of its figures are made of.
#[derive(Debug, Clone, Copy)]
pub struct Figured<'a> {
    /// The request.
    pub record: &'a RequestRecord,
    /// What is believed of its token counts.
    pub counts: Counts,
    /// Its pace.
    pub pace: Pace,
}

impl<'a> Figured<'a> {
    /// Of a request.
    pub fn of(record: &'a RequestRecord) -> Self {
        let counts = record.counts();
        Figured { record, pace: record.pace_of(&counts), counts }
    }

    /// Normalised time per output token, ms: the wait is in it.
    pub fn ntpot_ms(&self) -> Option<f64> {
        let n = self.counts.delivered.filter(|n| *n >= 1)?;
        Some(self.record.e2e_ms()? / f64::from(n))
    }

    /// Output tokens per second that its user saw; none where all tokens came at one time.
    pub fn user_tps(&self) -> Option<f64> {
        let pace = &self.pace;
        (pace.steps > 0).then(|| f64::from(pace.steps) * US_PER_S / pace.window_us as f64)
    }
}

impl Pace {
    /// Time a token, ms.
    pub fn tpot_ms(&self) -> Option<f64> {
        (self.steps > 0).then(|| milliseconds(self.window_us) / f64::from(self.steps))
    }
}

/// µs as ms.
pub fn milliseconds(us: u64) -> f64 {
    us as f64 / US_PER_MS
}

/// From one stamp to another, µs; 0 where the second comes before the first.
fn between(from_us: Option<u64>, to_us: Option<u64>) -> Option<u64> {
    Some(to_us?.saturating_sub(from_us?))
}

/// Latencies.
impl RequestRecord {
    /// Its latencies enter the metrics: it is measured and was answered whole.
    pub fn counts_for_latency(&self) -> bool {
        self.phase == Phase::Measured && self.outcome == Outcome::Completed
    }

    /// Time to first token, µs.
    pub fn ttft_us(&self) -> Option<u64> {
        between(self.sent_us, self.first_token_us)
    }

    /// Time to first token, ms.
    pub fn ttft_ms(&self) -> Option<f64> {
        self.ttft_us().map(milliseconds)
    }

    /// End-to-end latency, µs: to the last token.
    pub fn e2e_us(&self) -> Option<u64> {
        between(self.sent_us, self.last_token_us)
    }

    /// End-to-end latency, ms.
    pub fn e2e_ms(&self) -> Option<f64> {
        self.e2e_us().map(milliseconds)
    }

    /// Time to the first token of the answer, reasoning left out, µs.
    pub fn time_to_first_answer_us(&self) -> Option<u64> {
        between(self.sent_us, self.first_answer_us)
    }

    /// The same, ms.
    pub fn first_answer_ms(&self) -> Option<f64> {
        self.time_to_first_answer_us().map(milliseconds)
    }

    /// TTFT counted from the due time, ms.
    pub fn ttft_from_due_ms(&self) -> Option<f64> {
        between(self.due_us, self.first_token_us).map(milliseconds)
    }

    /// E2E counted from the due time, ms.
    pub fn e2e_from_due_ms(&self) -> Option<f64> {
        between(self.due_us, self.last_token_us).map(milliseconds)
    }

    /// From the first token to the last, µs.
    pub fn decode_us(&self) -> Option<u64> {
        between(self.first_token_us, self.last_token_us)
    }

    /// Its pace: the tokens that came after the first event, and the time they took.
    pub fn pace_of(&self, counts: &Counts) -> Pace {
        let window_us = self.decode_us().unwrap_or(0);
        // An answer that came whole has none, however many tokens it holds.
        let n = if self.came_whole() { 0 } else { counts.shown.unwrap_or(0) };
        let at_first = self.chunks.tokens_at_first();
        let after = counts.in_events.saturating_sub(at_first);
        let at_one_time = window_us == 0 || self.is_replayed(window_us);
        let came_at_once = n >= 2 && !self.chunks.is_empty() && at_one_time;
        let has_pace = n >= 2 && !at_one_time && after > 0;
        let unplaced = if n >= 2 && !has_pace { n - 1 } else { n.abs_diff(counts.in_events) };
        let steps = if !has_pace {
            0
        } else if u64::from(unplaced) * 100 <= u64::from(n) * OWN_DIFFERENCE_PCT {
            n.saturating_sub(at_first).max(1)
        } else {
            after
        };
        Pace { n, window_us, after, steps, unplaced, came_at_once }
    }

    /// Its events follow each other as no model makes them, behind a wait that would hold all of them many times.
    fn is_replayed(&self, window_us: u64) -> bool {
        let events = self.chunks.len();
        let gaps = events.saturating_sub(1) as u64;
        let is_quick = window_us < REPLAY_GAP_US * gaps;
        let waited_us = self.ttft_us().unwrap_or(0);
        events >= REPLAY_EVENTS && is_quick && window_us * REPLAY_PART < waited_us
    }

    /// The gaps between its token-carrying events, µs, each one step. The first event has none before it.
    pub fn chunk_gaps(&self, add: &mut dyn FnMut(u64, u32)) {
        let mut chunks = self.chunks.iter().map(|chunk| chunk.at_us);
        let Some(mut previous_us) = chunks.next() else { return };
        for at_us in chunks {
            add(at_us - previous_us, 1);
            previous_us = at_us;
        }
    }

    /// Its inter-token latencies: gaps, µs, each with the tokens that share it, a step of gap/k for each of k.
    ///
    /// The k tokens of the first event add none, and n tokens in single events add n − 1. Events of one moment
    /// are one chunk, as they were for who read them. The gap before an event that carries no new token is counted
    /// with the next that does.
    pub fn inter_token(&self, add: &mut dyn FnMut(u64, u32)) {
        if self.chunks.are_single() {
            return self.chunk_gaps(add);
        }
        let mut chunks = self.chunks.iter().peekable();
        let mut token_us = None;
        while let Some(mut chunk) = chunks.next() {
            while let Some(next) = chunks.next_if(|next| next.at_us == chunk.at_us) {
                chunk.tokens = chunk.tokens.saturating_add(next.tokens);
            }
            let Some(from_us) = token_us else {
                token_us = Some(chunk.at_us);
                continue;
            };
            if chunk.tokens > 0 {
                add(chunk.at_us - from_us, chunk.tokens);
                token_us = Some(chunk.at_us);
            }
        }
    }
}

/// What the client added, and what else is told of a request.
impl RequestRecord {
    /// From its send to another moment of it, µs; from the run's start where it was never sent.
    pub fn since_sent_us(&self, at_us: u64) -> u64 {
        at_us.saturating_sub(self.sent_us.unwrap_or(0))
    }

    /// The same, ms.
    pub fn since_sent_ms(&self, at_us: u64) -> f64 {
        milliseconds(self.since_sent_us(at_us))
    }

    /// When it could have been sent, had there been a slot, µs.
    fn wanted_us(&self) -> u64 {
        self.due_us.unwrap_or(self.ready_us)
    }

    /// Waiting for a slot under the cap and for a connection, ms.
    pub fn slot_wait_ms(&self) -> Option<f64> {
        between(Some(self.wanted_us()), self.slot_us).map(milliseconds)
    }

    /// The client's own lateness, ms. First turns are due in an open loop alone; a further turn is due when its pause
    /// is over, in any.
    pub fn send_delay_ms(&self) -> Option<f64> {
        let due_us = self.due_us.or((self.turn > 0).then_some(self.ready_us))?;
        between(self.slot_us.or(Some(due_us)), self.sent_us).map(milliseconds)
    }

    /// Time to open the connection, ms.
    pub fn connect_ms(&self) -> Option<f64> {
        self.connect_us.map(milliseconds)
    }

    /// Worst reader lag, ms.
    pub fn reader_lag_ms(&self) -> f64 {
        milliseconds(u64::from(self.reader_lag_max_us))
    }

    /// Where its stamps come from, if an answer came at all.
    pub fn answered_by(&self) -> Option<StampKind> {
        self.headers_us.map(|_| self.stamps)
    }

    /// Token-carrying events whose stamp is merged.
    pub fn merged_events(&self) -> u64 {
        u64::from(self.chunks.merged())
    }

    /// Token-carrying events that came at the moment of the one before, by what the stamps prove: a client that
    /// was late may find together what came apart, and then the bound of the earlier one is wide.
    pub fn sent_together(&self) -> u64 {
        if self.chunks.at_once() == 0 {
            return 0;
        }
        let mut before_us = self.sent_us.unwrap_or(0);
        let mut previous: Option<Chunk> = None;
        let mut together = 0;
        for chunk in self.chunks.iter() {
            if let Some(earlier) = previous {
                if earlier.at_us == chunk.at_us {
                    let within_us = (chunk.at_us.saturating_sub(before_us) / 10).max(TOGETHER_US);
                    let bound_us = earlier.merged_bound_us.map_or(0, u64::from);
                    together += u64::from(bound_us <= within_us);
                } else {
                    before_us = earlier.at_us;
                }
            }
            previous = Some(chunk);
        }
        together
    }
}
