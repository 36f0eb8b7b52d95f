//! Units in flight on one client thread: however a unit started, it is played here, one record a turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::sleep_until;

use crate::schema::live::LiveCounters;
use crate::schema::plan::Sampling;
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::target::Capabilities;
use crate::schema::unit::{Message, Phase, Unit};

use crate::load::clock::{RunClock, thread_cpu_ns};
use crate::load::exchange;
use crate::load::growth::Warmed;
use crate::load::phase::{PhaseKind, PhaseRun};
use crate::load::protocol::terms::Ask;
use crate::load::request::blank_record::blank_record;
use crate::load::request::in_flight::{Assignment, Client, Ended};
use crate::load::request::messages::First;
use crate::load::request::seen::expect;
use crate::load::schedule::pacer::{Ticket, Tickets};
use crate::load::schedule::slots::Slot;

/// What plays the units of one thread.
pub(crate) struct Player {
    pub(crate) client: Client,
    /// Those of further endpoints, among which units are dealt out in turn.
    pub(crate) others: Vec<Client>,
    pub(crate) sampling: Sampling,
    pub(crate) capabilities: Capabilities,
    /// One whole request may take so long, µs.
    pub(crate) timeout_us: u64,
    pub(crate) records: Sender<RequestRecord>,
    /// When this thread last issued a request, µs, and its CPU time then, ns.
    pub(crate) last_issue: (AtomicU64, AtomicU64),
    /// What the warm-up shows, of all threads.
    pub(crate) warmed: Arc<Mutex<Warmed>>,
}

/// How long a warm-up request's answer goes without an acknowledgement, in turn, ms: over the time that servers take
/// for the first token after the head, below the 40 ms of the kernel, and not always the same.
const HOLD_ACK_MS: [u16; 2] = [24, 34];

/// A unit that begins.
pub(crate) struct Begun {
    /// Boxed: it is moved into what plays it, and would else be kept beside it.
    pub(crate) first: Box<Assignment>,
    /// Where further turns follow.
    further: Option<Arc<Unit>>,
}

/// How a unit ended, by its last request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitEnd {
    pub(crate) end_us: u64,
    /// There was no connection to be had.
    pub(crate) refused: bool,
}

impl UnitEnd {
    fn of(record: &RequestRecord) -> UnitEnd {
        let refused = matches!(record.outcome, Outcome::Failed { kind: FailureKind::Connect, .. });
        UnitEnd { end_us: record.end_us, refused }
    }
}

/// Out of its box, which is gone when this returns.
#[expect(clippy::boxed_local, reason = "what it holds is moved on, and the box must be gone by then")]
fn unboxed<T>(boxed: Box<T>) -> T {
    *boxed
}

/// Waits for a time more exactly than the runtime's timer does.
pub(crate) async fn wait_by_pacer(clock: &RunClock, at_us: u64, tickets: &Tickets) {
    if at_us > clock.now_us() {
        let ticket = Ticket::new(at_us, None);
        if tickets.send(ticket.clone()).is_ok() {
            ticket.done().await;
        }
    }
}

fn e2e_us(record: &RequestRecord) -> Option<u64> {
    Some(record.last_token_us?.saturating_sub(record.sent_us?).max(1))
}

impl Player {
    /// All that it has, one an endpoint.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        std::iter::once(&self.client).chain(&self.others)
    }

    /// The one of the k-th unit's endpoint: all turns of a unit go to the same.
    fn client_of(&self, k: u64) -> &Client {
        let place = k % (self.others.len() as u64 + 1);
        let other = place.checked_sub(1).and_then(|place| self.others.get(place as usize));
        other.unwrap_or(&self.client)
    }

    /// Plays a unit: its turns in order, one record each. It holds its slot to the end of its last turn. None
    /// where it was cancelled before it was due. Not an `async fn`: that would keep the first request beside
    /// what is made of it.
    pub(crate) fn unit(
        self: Arc<Self>,
        phase: Arc<PhaseRun>,
        begun: Begun,
        open: Option<(Tickets, Option<Slot>)>,
    ) -> impl Future<Output = Option<UnitEnd>> {
        let Begun { first, further } = begun;
        let (tickets, slot) = open.map_or((None, None), |(tickets, slot)| (Some(tickets), slot));
        async move {
            let client = self.client_of(first.record.unit);
            let ended = exchange::play(client, unboxed(first), tickets.as_ref(), &phase.cancel).await?;
            let end = match further {
                None => {
                    let end = UnitEnd::of(&ended.record);
                    // First of all: the next request may wait for it.
                    if let Some(slot) = slot {
                        slot.end(end.end_us);
                    }
                    self.emit(&phase, ended.record);
                    return Some(end);
                }
                // Boxed: a unit of one turn carries nothing of it.
                Some(unit) => {
                    let tickets = tickets.as_ref().or(match &phase.kind {
                        PhaseKind::Closed(closed) => closed.tickets.as_ref(),
                        PhaseKind::Open { .. } => None,
                    });
                    Box::pin(self.further_turns(&phase, &unit, ended, tickets)).await
                }
            };
            if let Some(slot) = slot {
                slot.end(end.end_us);
            }
            Some(end)
        }
    }

    /// Plays what follows a unit's first turn. A turn comes when the one before it has completed, its pause is
    /// over and the phase has not ended.
    async fn further_turns(
        &self,
        phase: &PhaseRun,
        unit: &Unit,
        first: Ended,
        tickets: Option<&Tickets>,
    ) -> UnitEnd {
        let mut ended = first;
        let mut former = Vec::new();
        for (turn, next) in unit.turns.iter().zip(unit.turns.iter().skip(1)) {
            let (before, end) = (ended.record.turn, UnitEnd::of(&ended.record));
            let (k, completed) = (ended.record.unit, ended.record.outcome == Outcome::Completed);
            let history = ended.record.tokens.prompt.zip(ended.record.tokens.output);
            self.emit(phase, ended.record);
            if !completed {
                return end;
            }
            former.extend(turn.body.messages());
            former.push(Message::text("assistant", ended.text.unwrap_or_default()));
            let ready_us = end.end_us + (next.pause_s.max(0.0) * 1e6) as u64;
            // Made before its turn comes.
            let ask = Ask {
                id: &unit.id,
                model: unit.model.as_deref(),
                former: &former,
                body: &next.body,
                max_tokens: next.max_tokens,
            };
            let message = phase.requests.messages_of(k).make(&ask);
            if !self.wait_for_turn(phase, ready_us, tickets).await {
                return end;
            }
            let number = before + 1;
            let is_last = number as usize + 1 == unit.turns.len();
            let mut assignment = self.assignment(phase, unit, k, message, (next.max_tokens, is_last));
            assignment.record.turn = number;
            assignment.record.history_tokens = history.map(|(prompt, answer)| prompt.saturating_add(answer));
            assignment.record.ready_us = ready_us;
            assignment.slot_free_us = ready_us;
            match exchange::play(self.client_of(k), assignment, None, &phase.cancel).await {
                Some(next) => ended = next,
                None => return end,
            }
        }
        let end = UnitEnd::of(&ended.record);
        self.emit(phase, ended.record);
        end
    }

    /// Waits until a further turn is ready; false where the phase ends first.
    async fn wait_for_turn(&self, phase: &PhaseRun, ready_us: u64, tickets: Option<&Tickets>) -> bool {
        let clock = &self.client.clock;
        if phase.until_us.is_some_and(|until_us| ready_us.max(clock.now_us()) >= until_us) {
            return false;
        }
        let ready = async {
            match tickets {
                Some(tickets) => wait_by_pacer(clock, ready_us, tickets).await,
                None => sleep_until(clock.instant(ready_us).into()).await,
            }
        };
        tokio::select! {
            biased;
            () = phase.cancel.wait() => false,
            () = ready => true,
        }
    }

    /// The k-th unit, with its first turn ready to be played.
    pub(crate) fn begin(
        &self,
        phase: &PhaseRun,
        k: u64,
        due_us: Option<u64>,
        ready_us: u64,
    ) -> Option<Begun> {
        let First { unit, message } = phase.requests.first(k)?;
        let turn = unit.turns.first()?;
        let is_last = unit.turns.len() == 1;
        let mut first = self.assignment(phase, &unit, k, message, (turn.max_tokens, is_last));
        first.record.tokens.asked = turn.prompt_tokens;
        first.record.due_us = due_us;
        first.record.ready_us = ready_us;
        first.slot_free_us = ready_us;
        Some(Begun { first: Box::new(first), further: (!is_last).then_some(unit) })
    }

    fn assignment(
        &self,
        phase: &PhaseRun,
        unit: &Unit,
        k: u64,
        message: Arc<[u8]>,
        (max_tokens, is_last): (u32, bool),
    ) -> Assignment {
        self.last_issue.0.store(self.client.clock.now_us(), Ordering::Relaxed);
        self.last_issue.1.store(thread_cpu_ns().unwrap_or(0), Ordering::Relaxed);
        let messages = phase.requests.messages();
        let spoken = (messages.protocol(), messages.streams());
        let mut expect = expect(spoken, &self.capabilities, &self.sampling, max_tokens);
        expect.keep_text = !is_last;
        let index = match phase.requests.single_turns() {
            true => k,
            false => phase.take_index(),
        };
        let mut record = blank_record(index, unit, phase.phase, expect);
        record.unit = k;
        let hold_ack_ms = match phase.phase {
            Phase::Warmup => Some(HOLD_ACK_MS[(index % 2) as usize]),
            Phase::Measured => None,
        };
        Assignment { record, message, expect, slot_free_us: 0, timeout_us: self.timeout_us, hold_ack_ms }
    }

    fn look_at_warmup(&self, phase: &PhaseRun, record: &RequestRecord) {
        let first_end_us = match &phase.kind {
            PhaseKind::Closed(closed) => closed.first_end.borrow().map(|(end_us, _)| end_us),
            PhaseKind::Open { .. } => None,
        };
        self.warmed.lock().unwrap_or_else(PoisonError::into_inner).add(record, first_end_us);
    }

    pub(crate) fn emit(&self, phase: &PhaseRun, record: RequestRecord) {
        let live = &self.client.live;
        phase.last_issue_us.fetch_max(record.sent_us.unwrap_or(record.ready_us), Ordering::Relaxed);
        match record.phase {
            Phase::Warmup => {
                LiveCounters::add(&live.warmup_done, 1);
                self.look_at_warmup(phase, &record);
            }
            Phase::Measured => match &record.outcome {
                Outcome::Completed => LiveCounters::add(&live.completed, 1),
                Outcome::Failed { .. } => LiveCounters::add(&live.failed, 1),
                Outcome::Cancelled | Outcome::Dropped => {}
            },
        }
        if record.outcome == Outcome::Completed
            && let Some(e2e_us) = e2e_us(&record)
        {
            let _ = phase.first_e2e_us.compare_exchange(0, e2e_us, Ordering::Relaxed, Ordering::Relaxed);
        }
        if record.outcome == Outcome::Completed
            && let PhaseKind::Closed(closed) = &phase.kind
            && closed.first_end.borrow().is_none()
        {
            closed.first_end.send_replace(Some((record.end_us, e2e_us(&record).unwrap_or(0))));
        }
        // The receiver is gone only where the caller has given the run up.
        let _ = self.records.send(record);
    }
}
