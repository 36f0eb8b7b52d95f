//! Every worker but worker 0: it plays its share of each run that worker 0 tells of, and sends what it recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::sync::{oneshot, watch};

use crate::cluster::{self, Follower, Order, Speaker};
use crate::load::{self, CommonStart, Job, Played, RunClock};
use crate::results::RecordWriter;
use crate::schema::files::{EngineFigures, RecordsHeader};
use crate::schema::live::LiveCounters;
use crate::schema::workers::{Share, WorkerPart};
use crate::secrets::from_outside;

use super::cut_short::CutShort;
use super::event::{Event, Listener};
use super::gpu_patience::GpuPatience;
use super::lengths;
use super::live_figures::LiveFigures;
use super::measure::{job_of, monotonic_zero_ns, stem};
use super::record::{Recorder, ReportedTokens};
use super::session::{Session, Stage};
use super::watch_load::not_saved;

/// How it ended for a worker.
#[derive(Debug, Default)]
pub struct Followed {
    /// Somebody stopped it, here or elsewhere.
    pub interrupted: bool,
    /// Worker 0 was lost: why.
    pub lost: Option<String>,
    /// This worker could not play or save what it was told to.
    pub failed: bool,
}

/// Obeys worker 0 until it says that nothing more is played, or is lost. What was measured lies in the output
/// directory whatever happens.
pub async fn follow(
    session: &Session,
    follower: Follower,
    listen: Listener<'_>,
    shutdown: watch::Receiver<bool>,
) -> Followed {
    let speaker = follower.speaker();
    let mut worker =
        Worker { session, listen, follower, speaker, shutdown, told: false, ended: Followed::default() };
    while worker.ended.lost.is_none() {
        match worker.next().await {
            Order::Play(part) => worker.run(*part).await,
            Order::End { interrupted } => {
                worker.ended.interrupted |= interrupted;
                break;
            }
            Order::Lost(why) => worker.ended.lost = Some(why),
            // Of a run that this worker could not play.
            Order::Warm { .. }
            | Order::Start { .. }
            | Order::Stop
            | Order::Close { .. }
            | Order::Send { .. }
            | Order::Have { .. } => {}
        }
    }
    worker.speaker.close();
    worker.ended
}

struct Worker<'a> {
    session: &'a Session,
    listen: Listener<'a>,
    follower: Follower,
    speaker: Speaker,
    shutdown: watch::Receiver<bool>,
    /// Worker 0 knows that this worker's user stopped it.
    told: bool,
    ended: Followed,
}

/// A share that is played.
struct PlayedShare {
    writer: RecordWriter,
    zero_ns: i64,
    first_zero_ns: Option<i64>,
    figures: EngineFigures,
    cut: Option<String>,
    reported: ReportedTokens,
}

impl Worker<'_> {
    /// The next order. The user's own stop is one too, and told to worker 0.
    async fn next(&mut self) -> Order {
        tokio::select! {
            order = self.follower.next() => order,
            () = user_stops(&mut self.shutdown), if !self.told => {
                self.tell_stop();
                Order::Stop
            }
        }
    }

    /// The next order within a run; none where worker 0 is gone.
    async fn next_of_run(&mut self) -> Option<Order> {
        let why = match self.next().await {
            Order::Lost(why) => why,
            Order::End { interrupted } => {
                self.ended.interrupted |= interrupted;
                "it ended the plan in the middle of a run".to_owned()
            }
            order @ (Order::Play(_)
            | Order::Warm { .. }
            | Order::Start { .. }
            | Order::Stop
            | Order::Close { .. }
            | Order::Send { .. }
            | Order::Have { .. }) => return Some(order),
        };
        self.ended.lost = Some(why);
        None
    }

    fn tell_stop(&mut self) {
        self.told = true;
        self.ended.interrupted = true;
        self.speaker.stop();
    }

    fn say(&self, what: &str) {
        let Share { worker, of } = self.follower.share;
        (self.listen)(Event::Note(&format!("worker {worker} of {of}: {what}")));
    }

    /// Plays and sends one run.
    async fn run(&mut self, part: cluster::Part) {
        let run = part.run;
        self.follower.forget_earlier_clocks();
        if let Err(error) = self.played(part).await {
            let why = from_outside(&format!("{error:#}")).into_owned();
            let Share { worker, of } = self.follower.share;
            (self.listen)(Event::Trouble(&format!("error: worker {worker} of {of}: {why}")));
            self.ended.failed = true;
            self.speaker.failed(run, why);
        }
    }

    async fn played(&mut self, part: cluster::Part) -> anyhow::Result<()> {
        let key = part.header.key.clone();
        let job = self.job(&part).await?;
        self.speaker.set(part.run, load::schedule_hash(&job));
        if !self.is_to_warm_up().await {
            return Ok(());
        }
        let of = part.of;
        self.say(&format!(
            "plays {}, point {}, round {}, repeat {}: one share of {of}",
            key.label, key.point, key.round, key.repeat
        ));
        let (run, share) = (part.run, self.share(part, job).await?);
        let over = cluster::Over {
            cut: share.cut.clone(),
            prompt_tokens: share.reported.prompt,
            output_tokens: share.reported.output,
            cut_short: share.reported.cut_short,
            uncounted: share.reported.uncounted,
        };
        let issued = share.figures.issued.unwrap_or(0);
        self.speaker.over(run, over);
        let path = self.closed(share).await?;
        self.sent(run, &path).await?;
        self.say(&format!("{issued} requests issued, recorded in {}", path.display()));
        Ok(())
    }

    /// The job as worker 0 has it.
    async fn job(&mut self, part: &cluster::Part) -> anyhow::Result<Job> {
        let (header, session) = (&part.header, self.session);
        let label = &header.key.label;
        let target = session.plan.targets.iter().find(|target| target.label == *label);
        let target = target.with_context(|| format!("worker 0 plays {label}, which is not in the plan"))?;
        let load =
            header.load().with_context(|| format!("worker 0's plan has no point {}", header.key.point))?;
        let stage = Stage {
            session,
            guard: None,
            listen: self.listen,
            shutdown: self.shutdown.clone(),
            gpu_patience: GpuPatience::default(),
        };
        lengths::settle(&stage, target, &part.url).await;
        Ok(job_of(session, (target, None), &part.url, (&header.key, load)).await)
    }

    /// Waits for the others' schedules; false where the run was given up.
    async fn is_to_warm_up(&mut self) -> bool {
        loop {
            match self.next_of_run().await {
                Some(Order::Warm { .. }) => return true,
                Some(Order::Stop) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// Plays this worker's share and records it.
    async fn share(&mut self, part: cluster::Part, job: Job) -> anyhow::Result<PlayedShare> {
        let cluster::Part { run, header, of, .. } = part;
        let share = Share { of, ..self.follower.share };
        let clock = RunClock::start();
        let zero_ns = monotonic_zero_ns(&clock);
        let header = RecordsHeader {
            environment: self.session.environment.clone(),
            monotonic_zero_ns: Some(zero_ns),
            worker: Some(WorkerPart { share, host: self.session.environment.hostname.clone() }),
            ..header
        };
        let zero_ns = zero_ns as i64;
        let directory = &self.session.plan.output.directory;
        let writer = RecordWriter::create_part(
            directory,
            &stem(&self.session.plan, &header.key),
            share.worker,
            &header,
        )?;
        let live = Arc::new(LiveCounters::default());
        let (records, receiver) = std::sync::mpsc::channel();
        let recorder = Recorder::start(receiver, writer, LiveFigures::new(live.clone()));
        let (begin, begun) = oneshot::channel::<u64>();
        let speaker = self.speaker.clone();
        let start: CommonStart = Box::new(move || {
            Box::pin(async move {
                speaker.ready(run, zero_ns);
                begun.await.map_err(|_| anyhow!("worker 0 did not say when to begin"))
            })
        });
        let (stop, stopped) = watch::channel(false);
        let playing = load::play_part(job, load::Part { share, start }, clock, records, live, stopped);
        let watched = self.watch(playing, (run, zero_ns, &clock), (begin, stop), recorder.broken()).await;
        let (played, first_zero_ns, mut cut) = watched;
        let figures = match played {
            Ok(played) => played.figures,
            Err(error) => {
                cut.get_or_insert_with(|| format!("{error:#}"));
                EngineFigures::default()
            }
        };
        let (writer, reported) = recorder.join()?;
        Ok(PlayedShare { writer, zero_ns, first_zero_ns, figures, cut, reported })
    }

    /// Hands the start on while a share is played, and stops it where anybody wants that: what was played, µs 0 of
    /// worker 0's run clock on its clock in ns, and why it was cut short.
    async fn watch(
        &mut self,
        playing: impl Future<Output = anyhow::Result<Played>>,
        (run, zero_ns, clock): (u64, i64, &RunClock),
        (begin, stop): (oneshot::Sender<u64>, watch::Sender<bool>),
        mut broken: watch::Receiver<bool>,
    ) -> (anyhow::Result<Played>, Option<i64>, Option<String>) {
        let mut playing = std::pin::pin!(playing);
        let (mut cut, mut first_zero_ns, mut begin) = (None, None, Some(begin));
        loop {
            let order = tokio::select! {
                played = &mut playing => return (played, first_zero_ns, cut),
                order = self.next_of_run() => order,
                () = not_saved(&mut broken), if cut.is_none() => {
                    cut = Some(CutShort::NotSaved.reason());
                    Some(Order::Stop)
                }
            };
            match order {
                Some(Order::Start { run: of_run, at_ns, zero_ns: first }) if of_run == run => {
                    first_zero_ns = Some(first);
                    match (start_us(at_ns - zero_ns, clock), begin.take()) {
                        (Some(start_us), Some(begin)) => drop(begin.send(start_us)),
                        (None, _) => cut = Some("the word of the start came after it".to_owned()),
                        (Some(_), None) => {}
                    }
                }
                Some(Order::Stop) => {
                    cut.get_or_insert_with(|| CutShort::Interrupted.reason());
                }
                Some(_) => {}
                None => {
                    let why = self.ended.lost.as_deref().unwrap_or_default();
                    cut.get_or_insert_with(|| format!("worker 0 was lost: {why}"));
                }
            }
            if cut.is_some() {
                begin = None;
                stop.send_replace(true);
            }
            if self.ended.lost.is_some() {
                // No order comes any more; what is left is the end of the load.
                return (playing.await, first_zero_ns, cut);
            }
        }
    }

    /// Closes the records when worker 0 knows what became of the run, or is gone: where they lie.
    async fn closed(&mut self, share: PlayedShare) -> anyhow::Result<PathBuf> {
        let mut why = share.cut;
        while self.ended.lost.is_none() {
            match self.next_of_run().await {
                Some(Order::Close { partial, .. }) => {
                    why = partial.or(why);
                    break;
                }
                Some(_) => {}
                None => {
                    let lost = self.ended.lost.as_deref().unwrap_or_default();
                    why.get_or_insert_with(|| format!("worker 0 was lost: {lost}"));
                }
            }
        }
        let map = share.first_zero_ns.map(|first| self.follower.clock_map(share.zero_ns, first));
        let why = why.map(|why| from_outside(&why).into_owned());
        let closed = share.writer.close_part(share.figures, why, None, map)?;
        Ok(closed.path)
    }

    /// Sends the closed records, where worker 0 does not see them in a directory that is shared.
    async fn sent(&mut self, run: u64, path: &Path) -> anyhow::Result<()> {
        if self.ended.lost.is_some() {
            return Ok(());
        }
        let (speaker, file) = (self.speaker.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || speaker.offer(run, &file)).await??;
        loop {
            match self.next_of_run().await {
                Some(Order::Send { .. }) => {
                    let (speaker, file) = (self.speaker.clone(), path.to_owned());
                    tokio::task::spawn_blocking(move || speaker.send_file(&file)).await??;
                }
                Some(Order::Have { .. }) | None => return Ok(()),
                Some(_) => {}
            }
        }
    }
}

/// The start on the run clock, µs; none where it is past.
fn start_us(since_zero_ns: i64, clock: &RunClock) -> Option<u64> {
    u64::try_from(since_zero_ns / 1_000).ok().filter(|start_us| *start_us > clock.now_us())
}

async fn user_stops(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone will never stop it.
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}
