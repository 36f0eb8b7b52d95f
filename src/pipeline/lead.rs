//! Worker 0 of several: tells the others of a run, begins it with them, and makes one run of what all recorded.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use anyhow::Context;
use tokio::sync::watch;

use crate::cluster::{Leader, Outgoing};
use crate::load::{self, CommonStart, Job, Part, Played, RunClock, Stop};
use crate::results::{PartFile, RunFiles};
use crate::schema::files::RecordsHeader;
use crate::schema::live::LiveCounters;
use crate::schema::live_counts::LiveCounts;
use crate::schema::plan::LoadPoint;
use crate::schema::record::RequestRecord;
use crate::schema::traffic::Traffic;
use crate::schema::workers::{ClockMap, Share, WorkerPart};

use super::cut_short::CutShort;
use super::event::Event;
use super::merge::merge_parts;
use super::record::ReportedTokens;
use super::session::Stage;

/// A run that several workers play.
pub struct Turn {
    leader: Arc<Leader>,
    run: u64,
    /// How many play it: the first ones.
    of: u32,
    /// The others have begun: they have something to say of its end.
    begun: AtomicBool,
}

/// How many of so many workers a load is enough for: each has a slot, and a request a second.
pub fn enough_for(load: &LoadPoint, workers: u32) -> u32 {
    let most = |count: f64| count.clamp(1.0, f64::from(workers.max(1))) as u32;
    let by_traffic = match &load.traffic {
        Traffic::Closed { slots, .. } => slots.get(),
        Traffic::Open { cap, .. } => cap.map_or(u32::MAX, |cap| cap.get()),
    };
    let by_rate = load.rate().map_or(u32::MAX, |rate| most(rate.floor()));
    let by_requests = load.until.requests().map_or(u32::MAX, |requests| most(requests as f64));
    workers.min(by_traffic).min(by_rate).min(by_requests).max(1)
}

/// Turns true when the user of this worker or of another one stops the plan.
pub async fn hear_stops(leader: &Leader, mut own: watch::Receiver<bool>, all: watch::Sender<bool>) {
    let own_stop = async {
        // A sender that is gone will never stop the run.
        if own.wait_for(|stop| *stop).await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = own_stop => {}
        () = leader.stopped() => {}
    }
    all.send_replace(true);
    std::future::pending().await
}

/// A worker is gone, and nothing more is to be played without it.
pub fn is_broken(stage: &Stage<'_>) -> bool {
    stage.session.leader.as_ref().is_some_and(|leader| !leader.goes_on() && leader.is_broken())
}

impl Turn {
    /// A run of this load, where several workers play it.
    pub fn of(stage: &Stage<'_>, load: &LoadPoint) -> Option<Turn> {
        let leader = stage.session.leader.as_ref()?;
        let workers = leader.of();
        let of = enough_for(load, workers);
        if of < workers {
            let others = match of {
                1 => "worker 0 plays it alone".to_owned(),
                of => format!("the first {of} play it, and the others do nothing"),
            };
            (stage.listen)(Event::Note(&format!("too small a load for {workers} workers: {others}")));
        }
        let turn =
            || Turn { leader: leader.clone(), run: leader.next_run(), of, begun: AtomicBool::new(false) };
        (of > 1).then(turn)
    }

    /// How many workers play it.
    pub fn workers(&self) -> u32 {
        self.of
    }

    /// What the others have counted of it by now.
    pub fn others_live(&self) -> LiveCounts {
        // Before they have begun, what they told last is of the run before.
        if self.begun.load(Ordering::Relaxed) { self.leader.live() } else { LiveCounts::default() }
    }

    /// What worker 0's records say of it.
    pub fn part(&self, host: &str) -> WorkerPart {
        WorkerPart { share: Share { worker: 0, of: self.of }, host: host.to_owned() }
    }

    /// Plays worker 0's share, when all others have made the same schedule, and from the same instant on.
    pub async fn play(
        &self,
        (header, url): (&RecordsHeader, &str),
        (job, clock): (Job, RunClock),
        records: Sender<RequestRecord>,
        live: Arc<LiveCounters>,
        stop: Stop,
    ) -> anyhow::Result<Played> {
        let schedule = load::schedule_hash(&job);
        let outgoing = Outgoing { run: self.run, header, of: self.of, url };
        let mut stopped = stop.clone();
        tokio::select! {
            begun = self.leader.begin(outgoing, &schedule) => begun?,
            Ok(_) = stopped.wait_for(|stop| *stop) => anyhow::bail!("interrupted"),
        }
        self.begun.store(true, Ordering::Relaxed);
        let zero_ns = header.monotonic_zero_ns.unwrap_or(0) as i64;
        let (leader, run) = (self.leader.clone(), self.run);
        let start: CommonStart = Box::new(move || Box::pin(async move { leader.start(run, zero_ns).await }));
        let part = Part { share: Share { worker: 0, of: self.of }, start };
        load::play_part(job, part, clock, records, live, stop).await
    }

    /// Resolves when the run is to end since a worker is lost.
    pub async fn lost(turn: Option<&Turn>) -> CutShort {
        match turn.filter(|turn| !turn.leader.goes_on()) {
            Some(turn) => {
                let what = turn.leader.lost().await;
                turn.cut_by(what)
            }
            None => std::future::pending().await,
        }
    }

    /// Why this worker could not play its share: since another one is lost, or is stopped by its user, or for a reason of
    /// its own.
    pub fn not_played(&self, error: &anyhow::Error) -> CutShort {
        let lost = self.leader.losses().into_iter().next().filter(|_| !self.leader.goes_on());
        match lost {
            _ if self.leader.is_stopped() => CutShort::Interrupted,
            Some(lost) => self.cut_by(lost),
            None => CutShort::NotPlayed(format!("{error:#}")),
        }
    }

    /// One that could not play its share of this run may play that of the next.
    fn cut_by(&self, what: String) -> CutShort {
        if self.leader.are_there() { CutShort::NotPlayed(what) } else { CutShort::WorkerLost(what) }
    }

    /// The others stop sending.
    pub fn stop(&self) {
        self.leader.stop();
    }

    /// Waits until the others have played theirs, and stops them where this one was stopped: what the server told them
    /// of tokens.
    pub async fn others_over(&self, stage: &Stage<'_>, cut: &mut Option<CutShort>) -> ReportedTokens {
        let mut reported = ReportedTokens::default();
        if cut.is_some() {
            self.leader.stop();
        }
        if !self.begun.load(Ordering::Relaxed) {
            return reported;
        }
        let mut shutdown = stage.shutdown.clone();
        let overs = loop {
            tokio::select! {
                biased;
                // First: one that could not play to the end has nothing more to say either.
                lost = Turn::lost(Some(self)), if cut.is_none() => {
                    cut.get_or_insert(lost);
                    self.leader.stop();
                }
                overs = self.leader.overs() => break overs,
                Ok(_) = shutdown.wait_for(|stop| *stop), if cut.is_none() => {
                    cut.get_or_insert(CutShort::Interrupted);
                    self.leader.stop();
                }
            }
        };
        for (worker, over) in overs {
            reported.join(ReportedTokens {
                prompt: over.prompt_tokens,
                output: over.output_tokens,
                cut_short: over.cut_short,
                uncounted: over.uncounted,
            });
            if let Some(why) = over.cut.filter(|_| cut.is_none()) {
                *cut = Some(CutShort::NotPlayed(format!("worker {worker} of {}: {why}", self.of)));
            }
        }
        reported
    }

    /// Why the run is not whole, where it went on without a worker.
    pub fn went_on_without(&self) -> Option<String> {
        let losses = if self.begun.load(Ordering::Relaxed) { self.leader.losses() } else { Vec::new() };
        (!losses.is_empty()).then(|| losses.join("; "))
    }

    /// What worker 0's records say of its clock.
    pub fn clock(&self) -> ClockMap {
        self.leader.own_clock()
    }

    /// Fetches the others' records and makes one run of all.
    pub async fn merged(
        &self,
        stage: &Stage<'_>,
        files: &RunFiles,
        own: PathBuf,
        partial: Option<String>,
    ) -> anyhow::Result<RunFiles> {
        let mut parts = vec![own];
        if self.begun.load(Ordering::Relaxed) {
            let name = |worker| files.closed_part(worker);
            let (here, missing) = self.leader.collect(self.run, partial, name).await;
            parts.extend(here);
            let left = left_behind(files, &parts, self.of);
            parts.extend(left);
            let is_here =
                |worker| parts.iter().filter_map(|path| PartFile::of(path)).any(|part| part.worker == worker);
            for (worker, why) in missing.into_iter().filter(|(worker, _)| !is_here(*worker)) {
                let (of, here) = (self.of, files.directory().display());
                (stage.listen)(Event::Trouble(&format!(
                    "warning: the records of worker {worker} of {of} did not come: {why}\n\
                     hint: if some lie in its --output, copy them to {here}, then: harness report '{here}/{}_*.w*'",
                    files.stem()
                )));
            }
        }
        merge_parts(&parts, files.directory(), files.stem()).context("the workers' records cannot be merged")
    }
}

/// What lost workers wrote into a directory that is shared.
fn left_behind(files: &RunFiles, known: &[PathBuf], of: u32) -> Vec<PathBuf> {
    let mut workers: Vec<u32> =
        known.iter().filter_map(|path| PartFile::of(path)).map(|part| part.worker).collect();
    let mut left = Vec::new();
    for part in files.parts().unwrap_or_default() {
        if part.worker < of && !workers.contains(&part.worker) {
            workers.push(part.worker);
            left.push(part.path);
        }
    }
    left
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::traffic::{Ramp, Until};

    #[test]
    fn a_load_that_is_too_small_for_all_is_played_by_the_first() {
        let until = |requests: u64| Until::after_requests(requests.try_into().unwrap());
        let closed = |slots: u32, requests| {
            let traffic = Traffic::Closed { slots: slots.try_into().unwrap(), ramp: Ramp::Automatic };
            enough_for(&LoadPoint::of(traffic, until(requests)), 4)
        };
        assert_eq!([closed(8, 100), closed(3, 100), closed(1, 100), closed(8, 2)], [4, 3, 1, 2]);
    }
}
