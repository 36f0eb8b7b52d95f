//! One client thread: its runtime, its connections, and its share of each phase.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::schema::live::LiveCounters;
use crate::schema::plan::{LoadPoint, Sampling};
use crate::schema::record::{FailureKind, Outcome, RequestRecord};
use crate::schema::target::Capabilities;
use crate::schema::unit::{Message, Phase, Unit};

use crate::load::cancel::Cancel;
use crate::load::clock::{RunClock, thread_cpu_ns};
use crate::load::exchange;
use crate::load::protocol::terms::Ask;
use crate::load::request::answer::{blank_record, expect};
use crate::load::request::in_flight::{Assignment, Client, Ended};
use crate::load::request::messages::{First, Requests};
use crate::load::schedule::arrivals::{DueTimes, due_times};
use crate::load::schedule::pacer::{Ticket, Tickets};
use crate::load::schedule::slots::{Slot, Slots};

/// Requests of an open loop are made ready so long before they are due: body, connection, place in the pacer's queue.
pub(crate) const LOOK_AHEAD_US: u64 = 50_000;
/// Opening connections ahead takes no longer than this: what was opened first must not grow stale.
const CONNECT_AHEAD_LIMIT: Duration = Duration::from_secs(2);
/// After a refused connection a slot waits so long, lest a dead server turns the run into a flood of failures.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// A phase of the run, shared by all workers.
pub(crate) struct PhaseRun {
    pub(crate) phase: Phase,
    pub(crate) requests: Requests,
    pub(crate) cancel: Cancel,
    /// Start, µs.
    pub(crate) from_us: u64,
    /// No request is issued from here on, µs; none: bounded by requests alone.
    pub(crate) until_us: Option<u64>,
    /// Latest end of what is then in flight, µs.
    pub(crate) drain_until_us: Option<u64>,
    pub(crate) kind: PhaseKind,
    /// The next request's index, where units have several turns; else it is the unit's number.
    pub(crate) next_index: AtomicU64,
    /// When the last request was issued, µs.
    pub(crate) last_issue_us: AtomicU64,
    /// E2E of the first request that completed, µs; 0: none yet.
    pub(crate) first_e2e_us: AtomicU64,
}

/// How requests of a phase start.
pub(crate) enum PhaseKind {
    /// Always so many in flight.
    Closed(ClosedLoop),
    /// At due times.
    Open {
        slots: Option<Arc<Slots>>,
        tickets: Tickets,
        /// Requests are made ready so long before they are due, µs.
        ahead_us: u64,
    },
}

/// A closed loop.
pub(crate) struct ClosedLoop {
    pub(crate) slots: u64,
    pub(crate) requests: u64,
    pub(crate) next: AtomicU64,
    pub(crate) ramp_us: u64,
    /// The ramp was not measured: it shrinks to half the first request's E2E once that is known.
    pub(crate) ramp_shrinks: bool,
    pub(crate) first_end: tokio::sync::watch::Sender<Option<(u64, u64)>>,
    /// When the last slot started, µs.
    pub(crate) ramp_to_us: AtomicU64,
}

/// What a command took of its thread, or of all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuUse {
    /// CPU time, s.
    pub(crate) cpu_s: f64,
    /// CPU time over wall time while requests were issued, 0 to 1; the busiest thread's. The drain is not
    /// in it: a thread that idles there may have been saturated until then. 0: too short to tell.
    pub(crate) busy_share: f64,
}

impl CpuUse {
    /// Of two threads.
    pub(crate) fn with(self, other: CpuUse) -> CpuUse {
        CpuUse { cpu_s: self.cpu_s + other.cpu_s, busy_share: self.busy_share.max(other.busy_share) }
    }
}

/// CPU time over wall time, 0 to 1; 0 where that was too short to tell.
fn busy_share(wall_us: u64, busy_ns: u64) -> f64 {
    if wall_us < ISSUING_LEAST_US { 0.0 } else { (busy_ns as f64 / 1e3 / wall_us as f64).min(1.0) }
}

/// Issuing that took less than this says nothing of how busy a thread was, µs.
const ISSUING_LEAST_US: u64 = 1_000_000;

/// What a worker is told to do; it answers with what it took.
pub(crate) enum Command {
    /// Open connections until so many are idle.
    Connect(usize, oneshot::Sender<CpuUse>),
    /// Play its share of a phase.
    Play(Arc<PhaseRun>, oneshot::Sender<CpuUse>),
}

/// One client thread.
pub(crate) struct Worker {
    pub(crate) number: u64,
    pub(crate) threads: u64,
    pub(crate) client: Client,
    pub(crate) load: LoadPoint,
    /// Seed of the due times.
    pub(crate) seed: u64,
    pub(crate) sampling: Sampling,
    pub(crate) capabilities: Capabilities,
    pub(crate) records: Sender<RequestRecord>,
    /// When this thread last issued a request, µs, and its CPU time then, ns.
    pub(crate) last_issue: (AtomicU64, AtomicU64),
}

/// Runs a worker until there are no more commands; its connections are closed then.
pub(crate) async fn work(worker: Worker, mut commands: mpsc::UnboundedReceiver<Command>) {
    let worker = Arc::new(worker);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => return,
                Some(Command::Connect(count, reply)) => {
                    worker.connect(count).await;
                    let _ = reply.send(CpuUse::default());
                }
                Some(Command::Play(phase, reply)) => {
                    let before_ns = thread_cpu_ns().unwrap_or(0);
                    let play = worker.play(&phase);
                    tokio::pin!(play);
                    loop {
                        tokio::select! {
                            () = &mut play => break,
                            _ = tick.tick() => worker.each_second(),
                        }
                    }
                    let _ = reply.send(worker.cpu_use(phase.from_us, before_ns));
                }
            },
            _ = tick.tick() => worker.each_second(),
        }
    }
}

impl Worker {
    /// What the phase took that began at `from_us`, when the thread had used `before_ns` of CPU time.
    fn cpu_use(&self, from_us: u64, before_ns: u64) -> CpuUse {
        let used_ns = thread_cpu_ns().unwrap_or(0).saturating_sub(before_ns);
        let [issued_us, issued_ns] =
            [&self.last_issue.0, &self.last_issue.1].map(|last| last.load(Ordering::Relaxed));
        let busy_share = busy_share(issued_us.saturating_sub(from_us), issued_ns.saturating_sub(before_ns));
        CpuUse { cpu_s: used_ns as f64 / 1e9, busy_share }
    }

    fn each_second(&self) {
        self.client.offset.refresh(&self.client.clock);
        let now_us = self.client.clock.now_us();
        self.client.pool.drop_stale(now_us);
        if let Some(connections) = &self.client.http2 {
            connections.drop_stale(now_us);
        }
    }

    /// Failures, and a server that is slow to accept, are left to the requests that need a connection.
    async fn connect(&self, count: usize) {
        let client = &self.client;
        let all = async {
            if let Some(connections) = &client.http2 {
                let _ = connections.open_for(count, &client.dialer, &client.clock).await;
                return;
            }
            for _ in client.pool.len()..count {
                match client.dialer.connect().await {
                    Ok(connection) => client.pool.put(connection, client.clock.now_us()),
                    Err(_) => return,
                }
            }
        };
        let _ = tokio::time::timeout(CONNECT_AHEAD_LIMIT, all).await;
    }

    async fn play(self: &Arc<Self>, phase: &Arc<PhaseRun>) {
        match &phase.kind {
            PhaseKind::Closed(closed) => {
                let mut tasks = JoinSet::new();
                for slot in (self.number..closed.slots).step_by(self.threads as usize) {
                    tasks.spawn(self.clone().slot(phase.clone(), slot));
                }
                self.drain(phase, tasks).await;
            }
            PhaseKind::Open { slots, tickets, ahead_us } => {
                let mut tasks = JoinSet::new();
                if let Some(dues) = due_times(&self.load, self.seed) {
                    self.open_loop(phase, dues, *ahead_us, (slots.as_ref(), tickets), &mut tasks).await;
                }
                self.drain(phase, tasks).await;
            }
        }
    }

    /// Waits for what is in flight, to the end of the drain at most.
    async fn drain<T: 'static>(&self, phase: &PhaseRun, mut tasks: JoinSet<T>) {
        if let Some(drain_until_us) = phase.drain_until_us {
            let ended = async { while tasks.join_next().await.is_some() {} };
            let limit = self.client.clock.instant(drain_until_us);
            if tokio::time::timeout_at(limit.into(), ended).await.is_err() {
                phase.cancel.set();
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// One slot of a closed loop: a unit after another until the bounds.
    async fn slot(self: Arc<Self>, phase: Arc<PhaseRun>, slot: u64) {
        let PhaseKind::Closed(closed) = &phase.kind else { return };
        self.wait_for_ramp(&phase, closed, slot).await;
        let mut ready_us = self.client.clock.now_us();
        closed.ramp_to_us.fetch_max(ready_us, Ordering::Relaxed);
        loop {
            let over = phase.until_us.is_some_and(|until_us| self.client.clock.now_us() >= until_us);
            if over || phase.cancel.is_set() {
                return;
            }
            let index = closed.next.fetch_add(1, Ordering::Relaxed);
            if index >= closed.requests {
                return;
            }
            let Some(begun) = self.begin(&phase, index, None, ready_us) else { return };
            let Some(end) = self.clone().unit(phase.clone(), begun, None).await else { return };
            ready_us = end.end_us;
            if end.refused {
                tokio::time::sleep(REFUSED_PAUSE).await;
                ready_us = self.client.clock.now_us();
            }
        }
    }

    /// Plays a unit: its turns in order, one record each. It holds its slot to the end of its last turn. None
    /// where it was cancelled before it was due. Not an `async fn`: that would keep the first request beside
    /// what is made of it.
    fn unit(
        self: Arc<Self>,
        phase: Arc<PhaseRun>,
        begun: Begun,
        open: Option<(Tickets, Option<Slot>)>,
    ) -> impl Future<Output = Option<UnitEnd>> {
        let Begun { first, further } = begun;
        let (tickets, slot) = open.map_or((None, None), |(tickets, slot)| (Some(tickets), slot));
        async move {
            let ended = exchange::play(&self.client, unboxed(first), tickets.as_ref(), &phase.cancel).await?;
            let end = match further {
                None => {
                    let end = UnitEnd::of(&ended.record);
                    self.emit(&phase, ended.record);
                    end
                }
                // Boxed: a unit of one turn carries nothing of it.
                Some(unit) => Box::pin(self.further_turns(&phase, &unit, ended, tickets.as_ref())).await,
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
            self.emit(phase, ended.record);
            former.extend(turn.body.messages());
            former.push(Message {
                role: "assistant".to_owned(),
                content: ended.text.map(|text| *text).unwrap_or_default(),
            });
            let ready_us = end.end_us + (next.pause_s.max(0.0) * 1e6) as u64;
            // Made before its turn comes.
            let ask = Ask {
                id: &unit.id,
                model: unit.model.as_deref(),
                former: &former,
                body: &next.body,
                max_tokens: next.max_tokens,
            };
            let message = phase.requests.messages().make(&ask);
            if !completed || !self.wait_for_turn(phase, ready_us, tickets).await {
                return end;
            }
            let number = before + 1;
            let is_last = number as usize + 1 == unit.turns.len();
            let mut assignment = self.assignment(phase, unit, k, message, (next.max_tokens, is_last));
            assignment.record.turn = number;
            assignment.record.ready_us = ready_us;
            assignment.slot_free_us = ready_us;
            match exchange::play(&self.client, assignment, None, &phase.cancel).await {
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

    async fn wait_for_ramp(&self, phase: &PhaseRun, closed: &ClosedLoop, slot: u64) {
        let clock = &self.client.clock;
        let start_us =
            |from_us: u64, ramp_us: u64| clock.instant(from_us + ramp_us * slot / closed.slots.max(1));
        let mut first_end = closed.first_end.subscribe();
        let first = async { first_end.wait_for(Option::is_some).await.ok().and_then(|first| *first) };
        tokio::select! {
            biased;
            () = phase.cancel.wait() => {}
            () = sleep_until(start_us(phase.from_us, closed.ramp_us).into()) => {}
            Some((end_us, e2e_us)) = first, if closed.ramp_shrinks => {
                let ramp_us = (e2e_us / 2).min(closed.ramp_us);
                tokio::select! {
                    () = phase.cancel.wait() => {}
                    () = sleep_until(start_us(end_us, ramp_us).into()) => {}
                }
            }
        }
    }

    async fn open_loop(
        self: &Arc<Self>,
        phase: &Arc<PhaseRun>,
        mut dues: DueTimes,
        ahead_us: u64,
        (slots, tickets): (Option<&Arc<Slots>>, &Tickets),
        tasks: &mut JoinSet<Option<UnitEnd>>,
    ) {
        let clock = &self.client.clock;
        while let Some((index, offset_us)) = dues.next() {
            if index % self.threads != self.number {
                continue;
            }
            let due_us = phase.from_us + offset_us;
            let early = clock.instant(due_us.saturating_sub(ahead_us));
            tokio::select! {
                () = sleep_until(early.into()) => {}
                () = phase.cancel.wait() => {}
            }
            let Some(mut begun) = self.begin(phase, index, Some(due_us), due_us) else { return };
            let mut slot = None;
            if let Some(slots) = slots {
                let Some(free) = self.wait_for_slot(phase, due_us, slots, tickets).await else {
                    self.drop_due(phase, begun, dues);
                    return;
                };
                // Not now: that the client wakes late to a slot that was free is its own delay.
                begun.first.slot_free_us = due_us.max(free.free_since_us());
                slot = Some(free);
            } else if phase.cancel.is_set() {
                self.drop_due(phase, begun, dues);
                return;
            }
            tasks.spawn(self.clone().unit(phase.clone(), begun, Some((tickets.clone(), slot))));
            while tasks.try_join_next().is_some() {}
        }
    }

    /// A slot under the cap, not before the due time; none where the phase ends first.
    async fn wait_for_slot(
        &self,
        phase: &PhaseRun,
        due_us: u64,
        slots: &Arc<Slots>,
        tickets: &Tickets,
    ) -> Option<Slot> {
        let clock = &self.client.clock;
        let until_us = phase.until_us.unwrap_or(clock.now_us() + (1 << 50));
        let slot = async {
            wait_by_pacer(clock, due_us, tickets).await;
            slots.take().await
        };
        tokio::select! {
            biased;
            () = phase.cancel.wait() => None,
            slot = slot => Some(slot),
            () = sleep_until(clock.instant(until_us).into()) => None,
        }
    }

    /// What was due but never got a slot is dropped, and counted: `first`, and those of `rest` that are due.
    fn drop_due(&self, phase: &PhaseRun, first: Begun, rest: DueTimes) {
        let now_us = self.client.clock.now_us();
        let rest = rest
            .filter(|(k, _)| k % self.threads == self.number)
            .map(|(k, offset_us)| (k, phase.from_us + offset_us))
            .take_while(|(_, due_us)| *due_us <= now_us)
            .map_while(|(k, due_us)| self.begin(phase, k, Some(due_us), due_us));
        // Where the first is not due, the rest is not either.
        let first = std::iter::once(first).filter(|begun| begun.first.record.ready_us <= now_us);
        for begun in first.chain(rest) {
            let mut record = begun.first.record;
            record.end_us = now_us;
            LiveCounters::add(&self.client.live.issued, 1);
            self.emit(phase, record);
        }
    }

    /// The k-th unit, with its first turn ready to be played.
    fn begin(&self, phase: &PhaseRun, k: u64, due_us: Option<u64>, ready_us: u64) -> Option<Begun> {
        let First { unit, message } = phase.requests.first(k)?;
        let turn = unit.turns.first()?;
        let is_last = unit.turns.len() == 1;
        let mut first = self.assignment(phase, &unit, k, message, (turn.max_tokens, is_last));
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
        let protocol = phase.requests.messages().protocol();
        let mut expect = expect(protocol, &self.capabilities, &self.sampling, max_tokens);
        expect.keep_text = !is_last;
        let index = match phase.requests.single_turns() {
            true => k,
            false => phase.next_index.fetch_add(1, Ordering::Relaxed),
        };
        let mut record = blank_record(index, unit, phase.phase, expect);
        record.unit = k;
        let timeout_us = (self.load.timeout_s * 1e6) as u64;
        Assignment { record, message, expect, slot_free_us: 0, timeout_us }
    }

    fn emit(&self, phase: &PhaseRun, record: RequestRecord) {
        let live = &self.client.live;
        phase.last_issue_us.fetch_max(record.sent_us.unwrap_or(record.ready_us), Ordering::Relaxed);
        match record.phase {
            Phase::Warmup => LiveCounters::add(&live.warmup_done, 1),
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

/// A unit that begins.
struct Begun {
    /// Boxed: it is moved into what plays it, and would else be kept beside it.
    first: Box<Assignment>,
    /// Where further turns follow.
    further: Option<Arc<Unit>>,
}

/// How a unit ended, by its last request.
#[derive(Debug, Clone, Copy)]
struct UnitEnd {
    end_us: u64,
    /// There was no connection to be had.
    refused: bool,
}

impl UnitEnd {
    fn of(record: &RequestRecord) -> UnitEnd {
        let refused = matches!(record.outcome, Outcome::Failed { kind: FailureKind::Connect, .. });
        UnitEnd { end_us: record.end_us, refused }
    }
}

/// Out of its box, which is gone when this returns.
fn unboxed<T>(boxed: Box<T>) -> T {
    *boxed
}

/// Waits for a time more exactly than the runtime's timer does.
async fn wait_by_pacer(clock: &RunClock, at_us: u64, tickets: &Tickets) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_as_busy_as_its_busiest_and_only_where_there_was_time_to_tell() {
        assert_eq!(busy_share(2_000_000, 500_000_000), 0.25);
        assert_eq!(busy_share(2_000_000, 2_100_000_000), 1.0, "the two clocks are not read at once");
        assert_eq!(busy_share(999_999, 999_999_000), 0.0, "a burst");
        assert_eq!(busy_share(0, 7), 0.0, "nothing was issued");
        let of = |cpu_s, busy_share| CpuUse { cpu_s, busy_share };
        let both = of(1.0, 0.95).with(of(2.0, 0.1));
        assert_eq!((both.cpu_s, both.busy_share), (3.0, 0.95));
    }
}
