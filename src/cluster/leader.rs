//! Worker 0: tells the others what to play and when, and waits for what they say.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::schema::files::RecordsHeader;
use crate::schema::live_counts::LiveCounts;
use crate::schema::refusal::refusal;
use crate::schema::workers::{ClockMap, ClockPoint};

use super::clock::Now;
use super::fetch::fetch;
use super::gather::Door;
use super::identity::Identity;
use super::message::{FromLeader, Order, Over, Part};
use super::peer::{Peer, PeerState};
use super::place::Place;
use super::players::Players;

/// From the last worker's word that it is ready to the start, ns: the word of the start has long come everywhere, and
/// connections that are opened meanwhile are not yet stale.
const LEAD_NS: i64 = 2_000_000_000;
/// But at least so many of the longest round trips.
const ROUND_TRIPS_OF_LEAD: i64 = 10;

/// Worker 0.
pub struct Leader {
    place: Place,
    now: Now,
    players: Players,
    runs: AtomicU64,
}

/// A run that is told to the others.
pub struct Outgoing<'a> {
    /// Which run of the plan, counted from 1 as they are played.
    pub run: u64,
    /// What stands at the head of its records.
    pub header: &'a RecordsHeader,
    /// How many workers play it: the first ones.
    pub of: u32,
    /// Where the server is.
    pub url: &'a str,
}

impl Leader {
    /// Waits until all workers have joined, and looks at their clocks. This blocks: nothing else is done meanwhile.
    ///
    /// # Errors
    /// One of them plays something else, or some are missing: by name, with what to do.
    pub fn gather(
        place: Place,
        identity: &Identity,
        here_alone: bool,
        now: Now,
        tell: &dyn Fn(String),
    ) -> anyhow::Result<Leader> {
        let arrivals = Door { place: &place, identity, here_alone, tell }.gather()?;
        let players = Players::take_in(arrivals, place.goes_on, &now)?;
        Ok(Leader { place, now, players, runs: AtomicU64::new(0) })
    }

    /// How many workers there are.
    pub fn of(&self) -> u32 {
        self.place.share.of
    }

    /// A run goes on without a worker that is lost.
    pub fn goes_on(&self) -> bool {
        self.place.goes_on
    }

    /// The number of the next run.
    pub fn next_run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A worker is gone.
    pub fn is_broken(&self) -> bool {
        self.players.everybody().any(|peer| peer.state().lost.is_some())
    }

    /// Tells the workers of a run: they make its schedule, and those that are too many for it do nothing. With all
    /// schedules the same, all begin to warm up.
    ///
    /// # Errors
    /// A worker's schedule is another one, a worker cannot play it or is lost, or somebody stops it.
    pub async fn begin(&self, outgoing: Outgoing<'_>, schedule: &str) -> anyhow::Result<()> {
        let Outgoing { run, header, of, url } = outgoing;
        self.players.begin(run, of);
        self.players.stood_still_ns.store(0, Ordering::Relaxed);
        self.players.order(Order::Play(Box::new(Part {
            run,
            header: header.clone(),
            of,
            url: url.to_owned(),
        })));
        self.players.all("could not be told of the run", |state| state.turn.schedule.clone()).await?;
        for peer in self.players.of_run() {
            let theirs = peer.state().turn.schedule.clone();
            if theirs.is_some_and(|theirs| theirs != schedule) {
                let what = format!(
                    "worker {} of {} ({}) makes another schedule of the same plan: its requests or their times differ",
                    peer.worker,
                    self.of(),
                    peer.host
                );
                self.stop();
                return Err(refusal(what, "give every worker the same files: tokenizer, prompts, scenarios"));
            }
        }
        self.players.order(Order::Warm { run });
        Ok(())
    }

    /// Waits until everybody has warmed up, and gives the common start: µs on the run clock whose µs 0 is `zero_ns` on
    /// this side's clock.
    ///
    /// # Errors
    /// A worker is lost or cannot go on, or somebody stops it.
    pub async fn start(&self, run: u64, zero_ns: i64) -> anyhow::Result<u64> {
        self.players.all("did not become ready", |state| state.turn.zero_ns).await?;
        self.players.look_at_clocks().await;
        let slowest = self.players.of_run().map(|peer| peer.state().round_trip_ns).max().unwrap_or(0);
        let lead_ns = LEAD_NS.max(ROUND_TRIPS_OF_LEAD * slowest);
        // On a whole µs of this side's run clock.
        let start_us = ((self.now)() - zero_ns + lead_ns) / 1_000;
        let start_ns = zero_ns + start_us * 1_000;
        for peer in self.players.of_run() {
            let at_ns = start_ns - peer.state().offset_ns;
            peer.send(&FromLeader::Order(Order::Start { run, at_ns, zero_ns }));
        }
        self.players.starts_at(start_ns);
        Ok(start_us.max(0) as u64)
    }

    /// What the other workers of the run have counted, by their last words.
    pub fn live(&self) -> LiveCounts {
        let mut all = LiveCounts::default();
        self.players.of_run().for_each(|peer| all.join(&peer.state().turn.live));
        all
    }

    /// Everybody stops sending.
    pub fn stop(&self) {
        self.players.stop();
    }

    /// Resolves when a worker of the run is lost or cannot go on: what is said of it.
    pub async fn lost(&self) -> String {
        self.players.heard(|players| players.of_run().find_map(|peer| players.loss_of(peer))).await
    }

    /// The workers of the run that are lost or could not go on, each in a sentence.
    pub fn losses(&self) -> Vec<String> {
        self.players.of_run().filter_map(|peer| self.players.loss_of(peer)).collect()
    }

    /// Resolves when the user of another worker stops it.
    pub async fn stopped(&self) {
        self.players.heard(|players| players.is_stopped().then_some(())).await;
    }

    /// All workers of the run are there for the next one, whatever became of this one.
    pub fn are_there(&self) -> bool {
        let is_there = |state: &PeerState| state.lost.is_none() && state.turn.failed.is_none();
        self.players.of_run().all(|peer| is_there(&peer.state()))
    }

    /// The user of another worker has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.players.is_stopped()
    }

    /// Waits until all workers that are left have played their shares.
    pub async fn overs(&self) -> Vec<(u32, Over)> {
        let over = |state: &PeerState| state.turn.over.clone();
        let done =
            |players: &Players, peer: &Peer| over(&peer.state()).is_some() || players.loss_of(peer).is_some();
        self.players.heard(|players| players.of_run().all(|peer| done(players, peer)).then_some(())).await;
        self.players.of_run().filter_map(|peer| Some((peer.worker, over(&peer.state())?))).collect()
    }

    /// Lets the workers close their records, and fetches them: the closed files that are here then, each under the name
    /// that `name` gives a worker's, and whose could not be fetched, and why. What lies here already, since the workers
    /// share the directory, is not sent.
    pub async fn collect(
        &self,
        run: u64,
        partial: Option<String>,
        name: impl Fn(u32) -> PathBuf,
    ) -> (Vec<PathBuf>, Vec<(u32, String)>) {
        // The last word on their clocks comes before the end of their records.
        self.players.look_at_clocks().await;
        self.players.order(Order::Close { run, partial });
        let (mut here, mut missing) = (Vec::new(), Vec::new());
        for peer in self.players.of_run() {
            match fetch(&self.players, peer, run, &name(peer.worker)).await {
                Ok(path) => here.push(path),
                Err(error) => {
                    missing.push((peer.worker, format!("{error:#}")));
                    // It keeps them; nobody asks for them any more, and the next run is another.
                    peer.send(&FromLeader::Order(Order::Have { run }));
                }
            }
        }
        (here, missing)
    }

    /// Nothing more is played.
    pub async fn end(&self, interrupted: bool) {
        self.players.dismiss(interrupted).await;
    }

    /// What worker 0's own records say of its clock: it is the one of the run.
    pub fn own_clock(&self) -> ClockMap {
        ClockMap {
            points: vec![ClockPoint { at_us: 0, offset_us: 0.0, bound_us: 0.0 }],
            largest_step_us: 0.0,
            longest_silence_s: self.players.stood_still_ns.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}
