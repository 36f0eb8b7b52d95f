//! The whole run: connections, warm-up, pause, the measured phase, the drain; and nothing left open.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, oneshot, watch};
use url::Url;

use crate::schema::files::EngineFigures;
use crate::schema::live::LiveCounters;
use crate::schema::plan::{HttpSettings, LoadPoint, Sampling};
use crate::schema::record::RequestRecord;
use crate::schema::target::Capabilities;
use crate::schema::traffic::{Ramp, Traffic, Warmup};
use crate::schema::unit::{Phase, Units};
use crate::schema::workers::Share;

use crate::load::cancel::Cancel;
use crate::load::clock::{RealtimeOffset, RunClock};
use crate::load::http::http2_connections::Http2Connections;
use crate::load::part::{CommonStart, Part, check_share};
use crate::load::phase::{ClosedLoop, PhaseKind, PhaseRun};
use crate::load::player::Player;
use crate::load::request::in_flight::Client;
use crate::load::request::messages::{Messages, Requests};
use crate::load::schedule::pacer::{Pacer, Tickets};
use crate::load::schedule::slots::Slots;
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::Pool;
use crate::load::worker::{CONNECT_AHEAD_LIMIT, Command, CpuUse, LOOK_AHEAD_US, Worker, work};

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

/// All that decides one run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The server: scheme, host, port and any path before the endpoint's.
    pub base_url: String,
    /// Further servers like it: units are dealt out to all in turn, the k-th to the one of that number.
    pub more_urls: Vec<String>,
    /// Endpoint, headers, certificates.
    pub http: HttpSettings,
    /// Sent as `Authorization: Bearer`; never recorded.
    pub api_key: Option<String>,
    /// How the server is spoken to.
    pub capabilities: Capabilities,
    /// The load.
    pub load: LoadPoint,
    /// Seed of the due times.
    pub seed: u64,
    /// Client threads.
    pub client_threads: u32,
    /// What each request asks for.
    pub sampling: Sampling,
    /// Measured units.
    pub units: Units,
    /// Warm-up units.
    pub warmup: Units,
}

/// True: stop now and cancel what is in flight.
pub type Stop = watch::Receiver<bool>;

/// What is known at the end of a run beside its records.
#[derive(Debug, Clone, Copy)]
pub struct Played {
    /// The engine's own figures.
    pub figures: EngineFigures,
    /// [`Stop`] ended it.
    pub stopped: bool,
}

/// Files that a load needs open at once, a reserve for everything else included. An open loop without
/// a cap is counted at 10 s of requests, since nobody knows how many it will have in flight; where all are
/// due at once, at all of them.
pub fn open_files_needed(load: &LoadPoint) -> u64 {
    let uncapped = || match &load.traffic {
        Traffic::Closed { slots, .. } => u64::from(slots.get()),
        Traffic::Open { arrivals, .. } => match (arrivals.peak_rate(), arrivals.at_once()) {
            (Some(rate), Some(at_once)) => ((rate * 10.0).ceil() as u64).max(at_once),
            (_, _) => u64::MAX,
        },
    };
    let wanted = load.concurrency().map_or_else(uncapped, u64::from);
    wanted.min(load.until.requests().unwrap_or(u64::MAX)).saturating_add(100)
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
    let mut run = Run { job, share, clock, live, stop, workers, stopped: false };
    let figures = run.all(start).await;
    run.workers.stop().await;
    Ok(Played { figures: figures?, stopped: run.stopped })
}

/// The client threads.
struct Workers {
    commands: Vec<mpsc::UnboundedSender<Command>>,
    ended: Vec<oneshot::Receiver<()>>,
    messages: Arc<Messages>,
    /// Of further endpoints.
    others: Vec<Arc<Messages>>,
}

/// What is the same for all requests to one server.
struct Endpoint {
    messages: Arc<Messages>,
    dialer: Arc<Dialer>,
}

impl Endpoint {
    async fn of(job: &Job, url: &str) -> anyhow::Result<Endpoint> {
        let base_url = base_url(url)?;
        let messages =
            Messages::new(&base_url, &job.http, job.api_key.as_deref(), &job.capabilities, &job.sampling)?;
        let dialer = Dialer::new(&base_url, &job.http).await?;
        Ok(Endpoint { messages: Arc::new(messages), dialer: Arc::new(dialer) })
    }

    /// What one thread has for it.
    fn client(&self, clock: RunClock, live: &Arc<LiveCounters>) -> Client {
        Client {
            clock,
            offset: RealtimeOffset::measure(&clock),
            dialer: self.dialer.clone(),
            pool: Pool::default(),
            asked: self.messages.asked().to_owned(),
            http2: self.messages.http2_head().map(Http2Connections::new),
            live: live.clone(),
        }
    }
}

impl Workers {
    async fn start(
        job: &Job,
        clock: RunClock,
        records: &Sender<RequestRecord>,
        live: &Arc<LiveCounters>,
    ) -> anyhow::Result<Workers> {
        let endpoint = Endpoint::of(job, &job.base_url).await?;
        let mut others = Vec::new();
        for url in &job.more_urls {
            others.push(Endpoint::of(job, url).await?);
        }
        let threads = u64::from(job.client_threads.max(1));
        let mut workers = Workers {
            commands: Vec::new(),
            ended: Vec::new(),
            messages: endpoint.messages.clone(),
            others: others.iter().map(|other| other.messages.clone()).collect(),
        };
        for number in 0..threads {
            let player = Player {
                client: endpoint.client(clock, live),
                others: others.iter().map(|other| other.client(clock, live)).collect(),
                sampling: job.sampling,
                capabilities: job.capabilities.clone(),
                timeout_us: micros(job.load.timeout_s),
                records: records.clone(),
                last_issue: Default::default(),
            };
            let (load, seed) = (job.load.clone(), job.seed);
            let worker = Worker { number, threads, load, seed, player: Arc::new(player) };
            let (commands, queue) = mpsc::unbounded_channel();
            let (ending, ended) = oneshot::channel();
            let runtime = crate::load::socket::wait_bounds::runtime(clock)
                .context("a client thread's runtime cannot be made")?;
            std::thread::Builder::new()
                .name(format!("load-{number}"))
                .spawn(move || {
                    runtime.block_on(work(worker, queue));
                    drop(runtime);
                    let _ = ending.send(());
                })
                .context("a client thread cannot be started")?;
            workers.commands.push(commands);
            workers.ended.push(ended);
        }
        Ok(workers)
    }

    /// The requests of a phase.
    fn requests(&self, units: Units) -> Requests {
        Requests::new(self.messages.clone(), self.others.clone(), units)
    }

    /// Gives each thread a command and waits for all: what it took of them.
    async fn all(
        &self,
        mut command: impl FnMut(oneshot::Sender<CpuUse>) -> Command,
    ) -> anyhow::Result<CpuUse> {
        let mut replies = Vec::new();
        for commands in &self.commands {
            let (reply, answer) = oneshot::channel();
            let _ = commands.send(command(reply));
            replies.push(answer);
        }
        let mut cpu_use = CpuUse::default();
        for answer in replies {
            cpu_use =
                cpu_use.with(answer.await.context("a client thread died; this is a fault of the harness")?);
        }
        Ok(cpu_use)
    }

    async fn stop(self) {
        drop(self.commands);
        for ended in self.ended {
            let _ = ended.await;
        }
    }
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
        let each = own.div_ceil(self.workers.commands.len() as u64);
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
        self.play(&phase).await?;
        if !self.stopped {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = self.stop.wait_for(|stop| *stop) => self.stopped = true,
            }
        }
        Ok(Some(phase.first_e2e_us.load(Ordering::Relaxed)).filter(|us| *us > 0))
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
            threads: self.workers.commands.len() as u32,
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

pub(crate) fn base_url(text: &str) -> anyhow::Result<Url> {
    Url::parse(text).with_context(|| format!("{text:?} is not a URL; one looks like http://127.0.0.1:8000"))
}

fn micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e6) as u64
}
