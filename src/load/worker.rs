//! One client thread: its connections, and its share of each phase. A unit starts in one of two ways: when a slot
//! is free, or when it is due.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::schema::live::LiveCounters;
use crate::schema::plan::LoadPoint;

use crate::load::clock::{sleep_finely, thread_cpu_ns};
use crate::load::part::Stripe;
use crate::load::phase::{ClosedLoop, PhaseKind, PhaseRun};
use crate::load::player::{Begun, Player, UnitEnd, wait_by_pacer};
use crate::load::request::in_flight::Client;
use crate::load::schedule::arrivals::{DueTimes, due_times_of};
use crate::load::schedule::pacer::Tickets;
use crate::load::schedule::slots::{Slot, Slots};

/// Requests of an open loop are made ready so long before they are due: body, connection, place in the pacer's queue.
pub(crate) const LOOK_AHEAD_US: u64 = 50_000;
/// Opening connections ahead takes no longer than this: what was opened first must not grow stale.
pub(crate) const CONNECT_AHEAD_LIMIT: Duration = Duration::from_secs(2);
/// After a refused connection a slot waits so long, lest a dead server turns the run into a flood of failures.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What a command took of its thread, or of all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuUse {
    /// CPU time, s.
    pub(crate) cpu_s: f64,
    /// That of the thread that took the most, s.
    pub(crate) busiest_s: f64,
    /// CPU time over wall time while requests were issued, 0 to 1; the busiest thread's. The drain is not
    /// in it: a thread that idles there may have been saturated until then. 0: too short to tell.
    pub(crate) busy_share: f64,
}

impl CpuUse {
    /// Of two threads.
    pub(crate) fn with(self, other: CpuUse) -> CpuUse {
        CpuUse {
            cpu_s: self.cpu_s + other.cpu_s,
            busiest_s: self.busiest_s.max(other.busiest_s),
            busy_share: self.busy_share.max(other.busy_share),
        }
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
    /// Close idle connections until so many are left.
    Keep(usize, oneshot::Sender<CpuUse>),
    /// Open connections until so many are idle, for so long at most.
    Connect(usize, Duration, oneshot::Sender<CpuUse>),
    /// Play its share of a phase.
    Play(Arc<PhaseRun>, oneshot::Sender<CpuUse>),
}

/// One client thread.
pub(crate) struct Worker {
    pub(crate) number: u64,
    pub(crate) load: LoadPoint,
    /// Seed of the due times.
    pub(crate) seed: u64,
    pub(crate) player: Arc<Player>,
}

/// Runs a worker until there are no more commands; its connections are closed then.
pub(crate) async fn work(worker: Worker, mut commands: mpsc::UnboundedReceiver<Command>) {
    sleep_finely();
    let worker = Arc::new(worker);
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => return,
                Some(Command::Keep(count, reply)) => {
                    worker.keep(count);
                    let _ = reply.send(CpuUse::default());
                }
                Some(Command::Connect(count, at_most, reply)) => {
                    worker.connect(count, at_most).await;
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

/// Opens connections to one endpoint until so many are idle.
async fn connect_to(client: &Client, count: usize, at_most: Duration) {
    let all = async {
        if let Some(connections) = &client.http2 {
            let _ = connections.open_for(count, &client.dialer, &client.clock).await;
            return;
        }
        poll_fn(|context| {
            client.pool.settle_tails(context, client.clock.now_us());
            Poll::Ready(())
        })
        .await;
        for _ in client.pool.len()..count {
            match client.dialer.connect().await {
                Ok(connection) => client.pool.put(connection, client.clock.now_us()),
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(at_most, all).await;
}

impl Worker {
    /// What the phase took that began at `from_us`, when the thread had used `before_ns` of CPU time.
    fn cpu_use(&self, from_us: u64, before_ns: u64) -> CpuUse {
        let used_ns = thread_cpu_ns().unwrap_or(0).saturating_sub(before_ns);
        let [issued_us, issued_ns] =
            [&self.player.last_issue.0, &self.player.last_issue.1].map(|last| last.load(Ordering::Relaxed));
        let busy_share = busy_share(issued_us.saturating_sub(from_us), issued_ns.saturating_sub(before_ns));
        let cpu_s = used_ns as f64 / 1e9;
        CpuUse { cpu_s, busiest_s: cpu_s, busy_share }
    }

    fn each_second(&self) {
        for client in self.player.clients() {
            client.offset.refresh(&client.clock);
            let now_us = client.clock.now_us();
            client.pool.drop_stale(now_us);
            if let Some(connections) = &client.http2 {
                connections.drop_stale(now_us);
            }
        }
    }

    /// Closes idle connections of HTTP/1.1; one of HTTP/2 carries all streams of its thread.
    fn keep(&self, count: usize) {
        let each = count.div_ceil(self.player.others.len() + 1);
        for client in self.player.clients() {
            while client.pool.len() > each && client.pool.take(client.clock.now_us()).is_some() {}
        }
    }

    /// Failures, and a server that is slow to accept, are left to the requests that need a connection.
    async fn connect(&self, count: usize, at_most: Duration) {
        let each = count.div_ceil(self.player.others.len() + 1);
        for client in self.player.clients() {
            connect_to(client, each, at_most).await;
        }
    }

    /// What of a phase is this thread's.
    fn stripe(&self, phase: &PhaseRun) -> Stripe {
        Stripe { share: phase.share, thread: self.number, threads: phase.threads }
    }

    async fn play(self: &Arc<Self>, phase: &Arc<PhaseRun>) {
        match &phase.kind {
            PhaseKind::Closed(closed) => {
                let mut tasks = JoinSet::new();
                let stripe = self.stripe(phase);
                for slot in (0..closed.slots).filter(|slot| stripe.has(*slot)) {
                    tasks.spawn(self.clone().slot(phase.clone(), slot));
                }
                self.drain(phase, tasks).await;
            }
            PhaseKind::Open { slots, tickets, ahead_us } => {
                let mut tasks = JoinSet::new();
                if let Some(dues) = due_times_of(&self.load, self.seed, phase.requests.due_us()) {
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
            let limit = self.player.client.clock.instant(drain_until_us);
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
        let mut ready_us = self.player.client.clock.now_us();
        closed.ramp_to_us.fetch_max(ready_us, Ordering::Relaxed);
        for turn in 0.. {
            let over = phase.until_us.is_some_and(|until_us| self.player.client.clock.now_us() >= until_us);
            if over || phase.cancel.is_set() {
                return;
            }
            let k = closed.take(phase.share, slot, turn);
            if k >= closed.requests {
                return;
            }
            let Some(begun) = self.player.begin(&phase, k, None, ready_us) else { return };
            let Some(end) = self.player.clone().unit(phase.clone(), begun, None).await else { return };
            ready_us = end.end_us;
            if end.refused {
                tokio::time::sleep(REFUSED_PAUSE).await;
                ready_us = self.player.client.clock.now_us();
            }
        }
    }

    async fn wait_for_ramp(&self, phase: &PhaseRun, closed: &ClosedLoop, slot: u64) {
        let clock = &self.player.client.clock;
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
        let clock = &self.player.client.clock;
        let stripe = self.stripe(phase);
        while let Some((index, offset_us)) = dues.next() {
            if !stripe.has(index) {
                continue;
            }
            let due_us = phase.from_us + offset_us;
            let early = clock.instant(due_us.saturating_sub(ahead_us));
            tokio::select! {
                () = sleep_until(early.into()) => {}
                () = phase.cancel.wait() => {}
            }
            let Some(mut begun) = self.player.begin(phase, index, Some(due_us), due_us) else { return };
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
            tasks.spawn(self.player.clone().unit(phase.clone(), begun, Some((tickets.clone(), slot))));
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
        let clock = &self.player.client.clock;
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
        let now_us = self.player.client.clock.now_us();
        let stripe = self.stripe(phase);
        let rest = rest
            .filter(|(k, _)| stripe.has(*k))
            .map(|(k, offset_us)| (k, phase.from_us + offset_us))
            .take_while(|(_, due_us)| *due_us <= now_us)
            .map_while(|(k, due_us)| self.player.begin(phase, k, Some(due_us), due_us));
        // Where the first is not due, the rest is not either.
        let first = std::iter::once(first).filter(|begun| begun.first.record.ready_us <= now_us);
        for begun in first.chain(rest) {
            let mut record = begun.first.record;
            record.end_us = now_us;
            LiveCounters::add(&self.player.client.live.issued, 1);
            self.player.emit(phase, record);
        }
    }
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
        let of = |cpu_s, busy_share| CpuUse { cpu_s, busiest_s: cpu_s, busy_share };
        let both = of(1.0, 0.95).with(of(2.0, 0.1));
        assert_eq!((both.cpu_s, both.busiest_s, both.busy_share), (3.0, 2.0, 0.95));
    }
}
