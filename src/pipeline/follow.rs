//! Every worker but worker 0: it plays its share of each run that worker 0 tells of, and sends what it recorded.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::sync::watch;

use crate::cluster::{self, Follower, Order};
use crate::load::{self, Job};
use crate::schema::workers::Share;
use crate::secrets::from_outside;

use super::event::{Event, Listener};
use super::gpu_patience::GpuPatience;
use super::lengths;
use super::measure::job_of;
use super::orders::{Followed, Orders};
use super::play_share::{PlayedShare, play_share};
use super::session::{Session, Stage};

/// Obeys worker 0 until it says that nothing more is played, or is lost. What was measured lies in the output
/// directory whatever happens.
pub async fn follow(
    session: &Session,
    follower: Follower,
    listen: Listener<'_>,
    shutdown: watch::Receiver<bool>,
) -> Followed {
    let orders = Orders::of(follower, shutdown.clone());
    let mut worker = Worker { session, listen, orders, shutdown };
    while let Some(order) = worker.orders.next().await {
        match order {
            Order::Play(part) => worker.run(*part).await,
            // Of a run that this worker could not play.
            Order::Warm { .. }
            | Order::Start { .. }
            | Order::Stop
            | Order::Close { .. }
            | Order::Send { .. }
            | Order::Have { .. }
            | Order::End { .. } => {}
        }
    }
    worker.orders.speaker.close();
    worker.orders.ended
}

struct Worker<'a> {
    session: &'a Session,
    listen: Listener<'a>,
    orders: Orders,
    shutdown: watch::Receiver<bool>,
}

impl Worker<'_> {
    fn say(&self, what: &str) {
        let Share { worker, of } = self.orders.follower.share;
        (self.listen)(Event::Note(&format!("worker {worker} of {of}: {what}")));
    }

    /// Plays and sends one run.
    async fn run(&mut self, part: cluster::Part) {
        let run = part.run;
        self.orders.follower.forget_earlier_clocks();
        if let Err(error) = self.played(part).await {
            let why = from_outside(&format!("{error:#}")).into_owned();
            let Share { worker, of } = self.orders.follower.share;
            (self.listen)(Event::Trouble(&format!("error: worker {worker} of {of}: {why}")));
            self.orders.ended.failed = true;
            self.orders.speaker.failed(run, why);
        }
    }

    async fn played(&mut self, part: cluster::Part) -> anyhow::Result<()> {
        let key = part.header.key.clone();
        let job = self.job(&part).await?;
        self.orders.speaker.set(part.run, load::schedule_hash(&job));
        if !self.is_to_warm_up().await {
            return Ok(());
        }
        let of = part.of;
        self.say(&format!(
            "plays {}, point {}, round {}, repeat {}: one share of {of}",
            key.label, key.point, key.round, key.repeat
        ));
        let (run, share) = (part.run, play_share(self.session, &mut self.orders, part, job).await?);
        let over = cluster::Over {
            cut: share.cut.clone(),
            prompt_tokens: share.reported.prompt,
            output_tokens: share.reported.output,
            cut_short: share.reported.cut_short,
            uncounted: share.reported.uncounted,
        };
        let issued = share.figures.issued.unwrap_or(0);
        self.orders.speaker.over(run, over);
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
            match self.orders.next_of_run().await {
                Some(Order::Warm { .. }) => return true,
                Some(Order::Stop) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// Closes the records when worker 0 knows what became of the run, or is gone: where they lie.
    async fn closed(&mut self, share: PlayedShare) -> anyhow::Result<PathBuf> {
        let mut why = share.cut;
        while self.orders.ended.lost.is_none() {
            match self.orders.next_of_run().await {
                Some(Order::Close { partial, .. }) => {
                    why = partial.or(why);
                    break;
                }
                Some(_) => {}
                None => {
                    why.get_or_insert_with(|| self.orders.lost());
                }
            }
        }
        let map = share.first_zero_ns.map(|first| self.orders.follower.clock_map(share.zero_ns, first));
        let why = why.map(|why| from_outside(&why).into_owned());
        let closed = share.writer.close_part(share.figures, why, None, map)?;
        Ok(closed.path)
    }

    /// Sends the closed records, where worker 0 does not see them in a directory that is shared.
    async fn sent(&mut self, run: u64, path: &Path) -> anyhow::Result<()> {
        if self.orders.ended.lost.is_some() {
            return Ok(());
        }
        let (speaker, file) = (self.orders.speaker.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || speaker.offer(run, &file)).await??;
        loop {
            match self.orders.next_of_run().await {
                Some(Order::Send { .. }) => {
                    let (speaker, file) = (self.orders.speaker.clone(), path.to_owned());
                    tokio::task::spawn_blocking(move || speaker.send_file(&file)).await??;
                }
                Some(Order::Have { .. }) | None => return Ok(()),
                Some(_) => {}
            }
        }
    }
}
