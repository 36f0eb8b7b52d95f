//! The client threads: each with a runtime, connections and a share of each phase of its own.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

use crate::schema::live::LiveCounters;
use crate::schema::record::RequestRecord;
use crate::schema::unit::Units;

use crate::load::clock::{RealtimeOffset, RunClock};
use crate::load::growth::Warmed;
use crate::load::http::http2_connections::Http2Connections;
use crate::load::job::{Job, base_url};
use crate::load::player::Player;
use crate::load::request::in_flight::Client;
use crate::load::request::messages::{Messages, Requests};
use crate::load::socket::acks::SendsOn;
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::Pool;
use crate::load::worker::{Command, CpuUse, Worker, work};

/// The client threads.
pub(crate) struct Workers {
    commands: Vec<mpsc::UnboundedSender<Command>>,
    ended: Vec<oneshot::Receiver<()>>,
    job: Job,
    clock: RunClock,
    records: Sender<RequestRecord>,
    live: Arc<LiveCounters>,
    endpoint: Endpoint,
    /// Further ones.
    others: Vec<Endpoint>,
    warmed: Arc<Mutex<Warmed>>,
}

impl Workers {
    pub(crate) async fn start(
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
        let mut workers = Workers {
            commands: Vec::new(),
            ended: Vec::new(),
            job: job.clone(),
            clock,
            records: records.clone(),
            live: live.clone(),
            endpoint,
            others,
            warmed: Arc::default(),
        };
        for _ in 0..job.client_threads.max(1) {
            workers.add()?;
        }
        Ok(workers)
    }

    /// Starts one more.
    fn add(&mut self) -> anyhow::Result<()> {
        let (job, number) = (&self.job, self.commands.len() as u64);
        let player = Player {
            client: self.endpoint.client(self.clock, &self.live),
            others: self.others.iter().map(|other| other.client(self.clock, &self.live)).collect(),
            sampling: job.sampling,
            capabilities: job.capabilities.clone(),
            timeout_us: (job.load.timeout_s.max(0.0) * 1e6) as u64,
            records: self.records.clone(),
            last_issue: Default::default(),
            warmed: self.warmed.clone(),
        };
        let worker = Worker { number, load: job.load.clone(), seed: job.seed, player: Arc::new(player) };
        let (commands, queue) = mpsc::unbounded_channel();
        let (ending, ended) = oneshot::channel();
        let runtime = crate::load::socket::wait_bounds::runtime(self.clock)
            .context("a client thread's runtime cannot be made")?;
        std::thread::Builder::new()
            .name(format!("load-{number}"))
            .spawn(move || {
                runtime.block_on(work(worker, queue));
                drop(runtime);
                let _ = ending.send(());
            })
            .context("a client thread cannot be started")?;
        self.commands.push(commands);
        self.ended.push(ended);
        Ok(())
    }

    /// Starts more, until there are so many. `connections` are what the old ones hold together: each gives up what is
    /// more than its share now, since a new one opens as many, and the files that may be open are counted.
    pub(crate) async fn grow_to(&mut self, threads: u32, connections: u64) -> anyhow::Result<()> {
        let each = connections.div_ceil(u64::from(threads.max(1))) as usize;
        self.all(|reply| Command::Keep(each, reply)).await?;
        while self.count() < threads {
            self.add()?;
        }
        Ok(())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.commands.len() as u32
    }

    /// What the warm-up has shown.
    pub(crate) fn warmed(&self) -> Warmed {
        std::mem::take(&mut self.warmed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The requests of a phase.
    pub(crate) fn requests(&self, units: Units) -> Requests {
        let others = self.others.iter().map(|other| other.messages.clone()).collect();
        Requests::new(self.endpoint.messages.clone(), others, units)
    }

    /// Gives each thread a command and waits for all: what it took of them.
    pub(crate) async fn all(
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

    pub(crate) async fn stop(self) {
        drop(self.commands);
        for ended in self.ended {
            let _ = ended.await;
        }
    }
}

/// What is the same for all requests to one server.
struct Endpoint {
    messages: Arc<Messages>,
    dialer: Arc<Dialer>,
    sends_on: Arc<SendsOn>,
}

impl Endpoint {
    async fn of(job: &Job, url: &str) -> anyhow::Result<Endpoint> {
        let base_url = base_url(url)?;
        let messages =
            Messages::new(&base_url, &job.http, job.api_key.as_deref(), &job.capabilities, &job.sampling)?;
        let dialer = Dialer::new(&base_url, &job.http).await?;
        Ok(Endpoint { messages: Arc::new(messages), dialer: Arc::new(dialer), sends_on: Arc::default() })
    }

    /// What one thread has for it.
    fn client(&self, clock: RunClock, live: &Arc<LiveCounters>) -> Client {
        Client {
            clock,
            offset: RealtimeOffset::measure(&clock),
            dialer: self.dialer.clone(),
            sends_on: self.sends_on.clone(),
            pool: Pool::default(),
            asked: self.messages.asked().to_owned(),
            http2: self.messages.http2_head().map(Http2Connections::new),
            live: live.clone(),
        }
    }
}
