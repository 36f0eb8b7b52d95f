//! The whole run: connections, warm-up, pause, the measured phase, the drain; and nothing left open.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use crate::schema::files::EngineFigures;
use crate::schema::live::LiveCounters;
use crate::schema::plan::LoadPoint;
use crate::schema::record::RequestRecord;
use crate::schema::traffic::{Ramp, Traffic, Warmup};
use crate::schema::unit::Phase;
use crate::schema::workers::Share;

use crate::load::cancel::Cancel;
use crate::load::clock::RunClock;
use crate::load::crew::Workers;
use crate::load::growth::{self, Grown};
use crate::load::job::Job;
use crate::load::part::{CommonStart, Part, check_share};
use crate::load::phase::{ClosedLoop, PhaseKind, PhaseRun};
use crate::load::request::messages::Requests;
use crate::load::schedule::pacer::{Pacer, Tickets};
use crate::load::schedule::slots::Slots;
use crate::load::worker::{CONNECT_AHEAD_LIMIT, Command, CpuUse, LOOK_AHEAD_US};

/// Warm-up of an open loop without a cap is played with so many in flight.
const WARMUP_CONCURRENCY: u64 = 20;
/// Connections that are opened before the clock starts, at most.
const OPENED_AHEAD: u64 = 2_000;
/// Between the end of the warm-up and the measured phase, for servers to settle.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest ramp that is not asked for, µs.
const LONGEST_RAMP_US: u64 = 1_000_000;
/// The measured phase of an open loop begins so long after its first requests can be made ready, µs.
const OPEN_LEAD_US: u64 = LOOK_AHEAD_US + READING_US;
/// Until the workers have read what they are to play, µs.
const READING_US: u64 = 10_000;
/// Making one request ready takes less, µs: where all are due at once, all are made ready before.
const READY_US: u64 = 100;
/// But a connection lies idle no longer for that, µs: with the pool's limit of 3.5 s it stays below the 5 s after
/// which servers close one.
const LONGEST_BURST_LEAD_US: u64 = 1_400_000;
/// Where several machines begin together, connections are opened so long before the first requests are made ready, µs.
const CONNECT_LEAD_US: u64 = 1_000_000;

/// True: stop now and cancel what is in flight.
pub type Stop = watch::Receiver<bool>;

/// What is known at the end of a run beside its records.
#[derive(Debug, Clone, Copy)]
pub struct Played {
    /// The engine's own figures.
    pub figures: EngineFigures,
    /// [`Stop`] ended it.
    pub stopped: bool,
    /// The warm-up has shown that it takes more client threads.
    pub grown: Option<Grown>,
}

/// Files that a machine needs open at once for its share of a load, a reserve for everything else and, where several
/// share it, a connection to each included. An open loop without a cap is counted at 10 s of requests, since nobody knows
/// how many it will have in flight; where all are due at once, at all of them.
pub fn open_files_needed(load: &LoadPoint, share: Share) -> u64 {
    let uncapped = || match &load.traffic {
        Traffic::Closed { slots, .. } => u64::from(slots.get()),
        Traffic::Open { arrivals, .. } => match (arrivals.peak_rate(), arrivals.at_once()) {
            (Some(rate), Some(at_once)) => ((rate * 10.0).ceil() as u64).max(at_once),
            (_, _) => u64::MAX,
        },
    };
    let wanted = load.concurrency().map_or_else(uncapped, u64::from);
    let wanted = wanted.min(load.until.requests().unwrap_or(u64::MAX));
    let others = u64::from(share.of.saturating_sub(1));
    share.part_of(wanted).saturating_add(100 + others)
}

/// Plays a job: first the warm-up, then the measured phase. Every issued request gives exactly one record. `clock` is the run's µs 0. When it
/// returns, every connection is closed. An error means that nothing could be played at all.
pub async fn play(
    job: Job,
    clock: RunClock,
    records: Sender<RequestRecord>,
    live: Arc<LiveCounters>,
    stop: Stop,
) -> anyhow::Result<Played> {
    play_share(job, (Share::ALL, None), clock, records, live, stop).await
}

/// The same of one of several machines: it plays its share, warm-up and all, and all begin the measured phase together.
/// The figures and counts are its own. An error of the common start is one too.
pub async fn play_part(
    job: Job,
    part: Part,
    clock: RunClock,
    records: Sender<RequestRecord>,
    live: Arc<LiveCounters>,
    stop: Stop,
) -> anyhow::Result<Played> {
    play_share(job, (part.share, Some(part.start)), clock, records, live, stop).await
}

async fn play_share(
    job: Job,
    (share, start): (Share, Option<CommonStart>),
    clock: RunClock,
    records: Sender<RequestRecord>,
    live: Arc<LiveCounters>,
    stop: Stop,
) -> anyhow::Result<Played> {
    check_share(&job.load.traffic, share)?;
    let workers = Workers::start(&job, clock, &records, &live).await?;
    drop(records);
    let mut run = Run { job, share, clock, live, stop, workers, stopped: false, grown: None };
    let figures = run.all(start).await;
    run.workers.stop().await;
    Ok(Played { figures: figures?, stopped: run.stopped, grown: run.grown })
}

struct Run {
    job: Job,
    /// What of it is this machine's.
    share: Share,
    clock: RunClock,
    live: Arc<LiveCounters>,
    stop: Stop,
    workers: Workers,
    stopped: bool,
    grown: Option<Grown>,
}

impl Run {
    async fn all(&mut self, start: Option<CommonStart>) -> anyhow::Result<EngineFigures> {
        self.connect(self.warmup_slots(), CONNECT_AHEAD_LIMIT).await?;
        let first_e2e_us = self.warm_up().await?;
        self.measure(first_e2e_us, start).await
    }

    /// Opens this machine's share of so many connections.
    async fn connect(&self, total: u64, at_most: Duration) -> anyhow::Result<()> {
        let own = self.share.part_of(total).min(OPENED_AHEAD);
        let each = own.div_ceil(u64::from(self.workers.count()));
        self.workers.all(|reply| Command::Connect(each as usize, at_most, reply)).await.map(|_| ())
    }

    /// Opens connections shortly before the time at which all machines begin: that time, µs.
    async fn begin_together(
        &mut self,
        start: CommonStart,
        connections: u64,
        lead_us: u64,
    ) -> anyhow::Result<u64> {
        if self.stopped {
            return Ok(self.clock.now_us());
        }
        let begun = async {
            let from_us = start().await?;
            let ready_by_us = from_us.saturating_sub(lead_us);
            let early = self.clock.instant(ready_by_us.saturating_sub(CONNECT_LEAD_US));
            tokio::time::sleep_until(early.into()).await;
            let at_most = Duration::from_micros(ready_by_us.saturating_sub(self.clock.now_us()));
            self.connect(connections, at_most.min(CONNECT_AHEAD_LIMIT)).await?;
            anyhow::Ok(from_us)
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            from_us = begun => return from_us,
            // A sender that is gone will never stop the run.
            Ok(_) = stop.wait_for(|stop| *stop) => {}
        }
        self.stopped = true;
        Ok(self.clock.now_us())
    }

    fn warmup_slots(&self) -> u64 {
        self.job.load.concurrency().map_or(WARMUP_CONCURRENCY, u64::from)
    }

    /// Plays the warm-up: E2E of its first completed request, µs, where there is one.
    async fn warm_up(&mut self) -> anyhow::Result<Option<u64>> {
        let warmup = self.workers.requests(self.job.warmup.clone());
        let from_us = self.clock.now_us();
        let (requests, until_us) = match self.job.load.warmup {
            Warmup::Requests(requests) => (requests, None),
            Warmup::DurationS(seconds) => (u64::MAX, Some(from_us + micros(seconds))),
        };
        if self.job.warmup.unit(0).is_none() || requests == 0 || until_us == Some(from_us) {
            return Ok(None);
        }
        let slots = self.warmup_slots().min(requests);
        let kind = PhaseKind::Closed(closed_loop(slots, requests, 0, false));
        let phase = self.phase(Phase::Warmup, warmup, from_us, until_us, kind);
        let cpu_use = self.play(&phase).await?;
        self.grow(cpu_use, self.clock.now_us().saturating_sub(from_us)).await?;
        if !self.stopped {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = self.stop.wait_for(|stop| *stop) => self.stopped = true,
            }
        }
        Ok(Some(phase.first_e2e_us.load(Ordering::Relaxed)).filter(|us| *us > 0))
    }

    /// Starts more threads where the warm-up, of so many µs, says that the measured phase takes them.
    async fn grow(&mut self, cpu_use: CpuUse, wall_us: u64) -> anyhow::Result<()> {
        let threads = self.workers.count();
        let warmed = self.workers.warmed();
        let shown = growth::Shown { threads, wall_us, busiest_s: cpu_use.busiest_s, warmed };
        let ahead = growth::streams_ahead(&self.job.load, shown.warmed.mean_e2e_us())
            .map(|streams| streams / f64::from(self.share.of.max(1)));
        let most = if self.stopped { 0 } else { self.job.most_client_threads };
        self.grown = growth::grown(&shown, ahead, most);
        match self.grown {
            Some(grown) => self.workers.grow_to(grown.threads, self.share.part_of(self.warmup_slots())).await,
            None => Ok(()),
        }
    }

    async fn measure(
        &mut self,
        first_e2e_us: Option<u64>,
        start: Option<CommonStart>,
    ) -> anyhow::Result<EngineFigures> {
        let load = self.job.load.clone();
        // Made before the start is fixed, and before connections are opened that would age meanwhile.
        let requests = self.workers.requests(self.job.units.clone());
        let (connections, lead_us) = (self.connections_ahead(first_e2e_us), lead_us(&load, self.share));
        let from_us = match start {
            None => {
                self.connect(connections, CONNECT_AHEAD_LIMIT).await?;
                self.clock.now_us() + lead_us
            }
            Some(start) => self.begin_together(start, connections, lead_us).await?,
        };
        let until_us = load.until.duration_s().map(|seconds| from_us + micros(seconds));
        let (kind, pacer) = match load.traffic {
            Traffic::Closed { slots, ramp } if self.job.units.single_turns() => {
                (self.closed(slots, ramp, first_e2e_us, None), None)
            }
            Traffic::Closed { slots, ramp } => {
                let (pacer, tickets) = start_pacer(self.clock)?;
                (self.closed(slots, ramp, first_e2e_us, Some(tickets)), Some(pacer))
            }
            Traffic::Open { arrivals: _, cap } => {
                let (pacer, tickets) = start_pacer(self.clock)?;
                let slots = cap.map(|cap| Slots::new(self.share.part_of(u64::from(cap.get())) as u32));
                (PhaseKind::Open { slots, tickets, ahead_us: lead_us - READING_US }, Some(pacer))
            }
        };
        let phase = self.phase(Phase::Measured, requests, from_us, until_us, kind);
        self.live.measured_from_us.store(from_us.max(1), Ordering::Relaxed);
        let mut cpu_use = if self.stopped { CpuUse::default() } else { self.play(&phase).await? };
        let measured_to_us = self.clock.now_us().max(from_us);
        let last_issue_us = phase.last_issue_us.load(Ordering::Relaxed).clamp(from_us, measured_to_us);
        let ramp_to_us = match &phase.kind {
            PhaseKind::Closed(closed) => closed.ramp_to_us.load(Ordering::Relaxed).max(from_us),
            PhaseKind::Open { .. } => from_us,
        };
        drop(phase);
        if let Some(pacer) = pacer {
            cpu_use.cpu_s += pacer.join();
        }
        Ok(EngineFigures {
            measured_from_us: from_us,
            measured_to_us,
            ramp_to_us,
            issue_end_us: last_issue_us,
            issued: Some(self.live.issued.load(Ordering::Relaxed)),
            cpu_s: cpu_use.cpu_s,
            busy_share: cpu_use.busy_share,
            threads: self.workers.count(),
        })
    }

    fn closed(
        &self,
        slots: NonZeroU32,
        ramp: Ramp,
        first_e2e_us: Option<u64>,
        tickets: Option<Tickets>,
    ) -> PhaseKind {
        let (ramp_us, shrinks) = match (ramp, first_e2e_us) {
            (Ramp::DurationS(seconds), _) => (micros(seconds), false),
            (Ramp::Automatic, Some(e2e_us)) => (LONGEST_RAMP_US.min(e2e_us / 2), false),
            (Ramp::Automatic, None) => (LONGEST_RAMP_US, true),
        };
        let requests = self.job.load.until.requests().unwrap_or(u64::MAX);
        let closed = closed_loop(u64::from(slots.get()), requests, ramp_us, shrinks);
        PhaseKind::Closed(ClosedLoop { tickets, ..closed })
    }

    /// Connections to be open when the measured phase begins: as many as are needed, by what the warm-up showed.
    fn connections_ahead(&self, first_e2e_us: Option<u64>) -> u64 {
        let load = &self.job.load;
        let most = load.concurrency().map_or(u64::MAX, u64::from);
        let most = most.min(load.until.requests().unwrap_or(u64::MAX));
        // All slots of a closed loop need one, and so do requests that are all due at once.
        let wanted = load.rate().map_or(most, |rate| {
            (rate * (first_e2e_us.unwrap_or(0) as f64 / 1e6 + 0.1) * 1.25).ceil() as u64 + 4
        });
        wanted.max(at_once(load)).min(most)
    }

    fn phase(
        &self,
        phase: Phase,
        requests: Requests,
        from_us: u64,
        until_us: Option<u64>,
        kind: PhaseKind,
    ) -> Arc<PhaseRun> {
        Arc::new(PhaseRun {
            phase,
            threads: u64::from(self.workers.count()),
            share: self.share,
            requests,
            cancel: Cancel::default(),
            from_us,
            until_us,
            drain_until_us: until_us.map(|until_us| until_us + micros(self.job.load.drain_s)),
            kind,
            next_index: AtomicU64::new(0),
            last_issue_us: AtomicU64::new(0),
            first_e2e_us: AtomicU64::new(0),
        })
    }

    /// Plays a phase on all threads, or what a stop leaves of it.
    async fn play(&mut self, phase: &Arc<PhaseRun>) -> anyhow::Result<CpuUse> {
        let played = self.workers.all(|reply| Command::Play(phase.clone(), reply));
        tokio::pin!(played);
        tokio::select! {
            cpu_use = &mut played => return cpu_use,
            stopped = self.stop.wait_for(|stop| *stop) => {
                // A sender that is gone will never stop the run.
                if stopped.is_err() {
                    return played.await;
                }
            }
        }
        self.stopped = true;
        phase.cancel.set();
        played.await
    }
}

/// From now to the start of the measured phase, µs: so long ahead the first requests are made ready.
fn lead_us(load: &LoadPoint, share: Share) -> u64 {
    match load.traffic {
        Traffic::Closed { .. } => 0,
        Traffic::Open { cap: None, .. } => {
            let together = match share.part_of(at_once(load)) {
                0 | 1 => 0,
                together => together.saturating_mul(READY_US),
            };
            OPEN_LEAD_US + LONGEST_BURST_LEAD_US.min(together)
        }
        Traffic::Open { cap: Some(_), .. } => OPEN_LEAD_US,
    }
}

/// The most requests that are due at one instant by the law of the load.
fn at_once(load: &LoadPoint) -> u64 {
    match &load.traffic {
        Traffic::Closed { .. } => 0,
        Traffic::Open { arrivals, .. } => {
            let requests = load.until.requests();
            arrivals
                .at_once()
                .map_or(requests.unwrap_or(0), |at_once| at_once.min(requests.unwrap_or(u64::MAX)))
        }
    }
}

fn start_pacer(clock: RunClock) -> anyhow::Result<(Pacer, Tickets)> {
    Pacer::start(clock).context("the pacer's thread cannot be started")
}

fn closed_loop(slots: u64, requests: u64, ramp_us: u64, ramp_shrinks: bool) -> ClosedLoop {
    ClosedLoop {
        slots,
        requests,
        next: AtomicU64::new(0),
        tickets: None,
        ramp_us,
        ramp_shrinks,
        first_end: watch::channel(None).0,
        ramp_to_us: AtomicU64::new(0),
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e6) as u64
}
