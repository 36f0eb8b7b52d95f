//! Worker 0: tells the others what to play and when, and waits for what they say.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{anyhow, bail};
use tokio::sync::{oneshot, watch};

use crate::schema::files::RecordsHeader;
use crate::schema::refusal::refusal;
use crate::schema::workers::{ClockMap, ClockPoint};

use super::clock::Now;
use super::gather::{Arrival, Door};
use super::identity::Identity;
use super::loss;
use super::message::{FromLeader, Over};
use super::peer::{Arriving, Peer, PeerState, Turn};
use super::place::Place;
use super::pulse::{Burst, PINGS_OF_A_BURST, look, pulse};
use super::token::file_sha256;

/// From the last worker's word that it is ready to the start, ns: the word of the start has long come everywhere, and
/// connections that are opened meanwhile are not yet stale.
const LEAD_NS: i64 = 2_000_000_000;
/// But at least so many of the longest round trips.
const ROUND_TRIPS_OF_LEAD: i64 = 10;
/// A worker that is told of the end closes its connection within this time.
const FAREWELL: Duration = Duration::from_secs(2);

/// Worker 0.
pub struct Leader {
    place: Place,
    now: Now,
    others: Vec<Other>,
    /// Counts up with all that is heard.
    news: watch::Receiver<u64>,
    runs: AtomicU64,
    /// The longest that this process stood still, ns.
    stood_still_ns: Arc<AtomicI64>,
    /// How many workers play the run now, and when its measured phase began, ns.
    turn: Mutex<(u32, Option<i64>)>,
}

struct Other {
    peer: Arc<Peer>,
    bursts: Sender<Burst>,
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
        let (sender, news) = watch::channel(0);
        let stood_still_ns = Arc::new(AtomicI64::new(0));
        let mut others = Vec::new();
        for arrival in arrivals {
            others.push(Other::take_in(arrival, sender.clone(), &now, &stood_still_ns)?);
        }
        let turn = Mutex::new((place.share.of, None));
        Ok(Leader { place, now, others, news, runs: AtomicU64::new(0), stood_still_ns, turn })
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
        self.others.iter().any(|other| other.peer.state().lost.is_some())
    }

    /// Tells the workers of a run: they make its schedule, and those that are too many for it do nothing. With all
    /// schedules the same, all begin to warm up.
    ///
    /// # Errors
    /// A worker's schedule is another one, a worker cannot play it or is lost, or somebody stops it.
    pub async fn begin(&self, outgoing: Outgoing<'_>, schedule: &str) -> anyhow::Result<()> {
        let Outgoing { run, header, of, url } = outgoing;
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = (of, None);
        self.stood_still_ns.store(0, Ordering::Relaxed);
        for other in &self.others {
            other.peer.change(|state| {
                state.turn = Turn { run, ..Turn::default() };
                (state.step_ns, state.silence_ns) = (0, 0);
            });
        }
        for peer in self.players() {
            peer.send(&FromLeader::Play { run, header: Box::new(header.clone()), of, url: url.to_owned() });
        }
        self.all("could not be told of the run", |state| state.turn.schedule.clone()).await?;
        for peer in self.players() {
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
        self.tell_players(&FromLeader::Warm { run });
        Ok(())
    }

    /// Waits until everybody has warmed up, and gives the common start: µs on the run clock whose µs 0 is `zero_ns` on
    /// this side's clock.
    ///
    /// # Errors
    /// A worker is lost or cannot go on, or somebody stops it.
    pub async fn start(&self, run: u64, zero_ns: i64) -> anyhow::Result<u64> {
        self.all("did not become ready", |state| state.turn.zero_ns).await?;
        self.look_at_clocks().await;
        let slowest = self.players().map(|peer| peer.state().round_trip_ns).max().unwrap_or(0);
        let lead_ns = LEAD_NS.max(ROUND_TRIPS_OF_LEAD * slowest);
        // On a whole µs of this side's run clock.
        let start_us = ((self.now)() - zero_ns + lead_ns) / 1_000;
        let start_ns = zero_ns + start_us * 1_000;
        for peer in self.players() {
            let at_ns = start_ns - peer.state().offset_ns;
            peer.send(&FromLeader::Start { run, at_ns, zero_ns });
        }
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(start_ns);
        Ok(start_us.max(0) as u64)
    }

    /// Everybody stops sending.
    pub fn stop(&self) {
        self.players().for_each(|peer| peer.change(|state| state.turn.told_to_stop = true));
        self.tell_players(&FromLeader::Stop);
    }

    /// Resolves when a worker of the run is lost or cannot go on: what is said of it.
    pub async fn lost(&self) -> String {
        self.heard(|leader| leader.players().find_map(|peer| leader.loss_of(peer))).await
    }

    /// The workers of the run that are lost or could not go on, each in a sentence.
    pub fn losses(&self) -> Vec<String> {
        self.players().filter_map(|peer| self.loss_of(peer)).collect()
    }

    /// Resolves when the user of another worker stops it.
    pub async fn stopped(&self) {
        self.heard(|leader| leader.is_stopped().then_some(())).await;
    }

    /// All workers of the run are there for the next one, whatever became of this one.
    pub fn are_there(&self) -> bool {
        let is_there = |state: &PeerState| state.lost.is_none() && state.turn.failed.is_none();
        self.players().all(|peer| is_there(&peer.state()))
    }

    /// The user of another worker has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.others.iter().any(|other| other.peer.state().stopped)
    }

    /// Waits until all workers that are left have played their shares.
    pub async fn overs(&self) -> Vec<(u32, Over)> {
        let over = |state: &PeerState| state.turn.over.clone();
        self.heard(|leader| {
            let done = |peer: &&Peer| over(&peer.state()).is_some() || leader.loss_of(peer).is_some();
            leader.players().all(|peer| done(&peer)).then_some(())
        })
        .await;
        self.players().filter_map(|peer| Some((peer.worker, over(&peer.state())?))).collect()
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
        self.look_at_clocks().await;
        self.tell_players(&FromLeader::Close { run, partial });
        let (mut here, mut missing) = (Vec::new(), Vec::new());
        for peer in self.players() {
            match self.fetch(peer, run, &name(peer.worker)).await {
                Ok(path) => here.push(path),
                Err(error) => {
                    missing.push((peer.worker, format!("{error:#}")));
                    // It keeps them; nobody asks for them any more, and the next run is another.
                    peer.send(&FromLeader::Have { run });
                }
            }
        }
        (here, missing)
    }

    /// Nothing more is played.
    pub async fn end(&self, interrupted: bool) {
        for other in &self.others {
            other.peer.change(|state| state.dismissed = true);
            other.peer.send(&FromLeader::End { interrupted });
        }
        // They close; whoever does not is no reason to stay.
        let closed = async {
            for other in &self.others {
                while Arc::strong_count(&other.peer) > 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, closed).await;
        self.others.iter().for_each(|other| other.peer.link.close());
    }

    /// What worker 0's own records say of its clock: it is the one of the run.
    pub fn own_clock(&self) -> ClockMap {
        ClockMap {
            points: vec![ClockPoint { at_us: 0, offset_us: 0.0, bound_us: 0.0 }],
            largest_step_us: 0.0,
            longest_silence_s: self.stood_still_ns.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }

    async fn fetch(&self, peer: &Peer, run: u64, path: &Path) -> anyhow::Result<PathBuf> {
        let (name, length, sha256) = self.of_peer(peer, |state| state.turn.offer.clone()).await?;
        let shared = path.with_file_name(Path::new(&name).file_name().unwrap_or_default());
        for place in [path, shared.as_path()] {
            // Only a file of that length is worth reading.
            let same = std::fs::metadata(place).is_ok_and(|file| file.len() == length);
            if same && file_sha256(place).is_ok_and(|(_, here)| here == sha256) {
                peer.send(&FromLeader::Have { run });
                return Ok(place.to_owned());
            }
        }
        // Under a name that is none until it is whole.
        let coming = path.with_extension("coming");
        let arriving = Arriving::at(coming.clone(), length, sha256)?;
        peer.change(|state| state.turn.arriving = Some(arriving));
        peer.send(&FromLeader::Send { run });
        let arrived = self.of_peer(peer, |state| state.turn.arrived.clone()).await;
        let whole = arrived.and_then(|arrived| arrived.map_err(|why| anyhow!(why)));
        if let Err(error) = whole {
            let _ = std::fs::remove_file(&coming);
            return Err(error);
        }
        std::fs::rename(&coming, path)?;
        peer.send(&FromLeader::Have { run });
        Ok(path.to_owned())
    }

    /// Bursts of pings to all workers of the run, at once.
    async fn look_at_clocks(&self) {
        let mut bursts = Vec::new();
        for (other, _) in self.others.iter().zip(1..self.played_by()) {
            let (done, measured) = oneshot::channel();
            let _ = other.bursts.send(done);
            bursts.push(measured);
        }
        for measured in bursts {
            // One that is lost meanwhile shows in what follows.
            let _ = measured.await;
        }
    }

    fn played_by(&self) -> u32 {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The others that play the run.
    fn players(&self) -> impl Iterator<Item = &Peer> {
        let of = self.played_by();
        self.others.iter().map(|other| &*other.peer).filter(move |peer| peer.worker < of)
    }

    fn tell_players(&self, message: &FromLeader) {
        self.players().for_each(|peer| peer.send(message));
    }

    fn loss_of(&self, peer: &Peer) -> Option<String> {
        let state = peer.state();
        let of = self.played_by();
        if let Some(why) = state.turn.failed.as_ref().or(state.turn.gave_up.as_ref()) {
            return Some(format!("worker {} of {of} could not go on: {why}", peer.worker));
        }
        let (why, lost_ns) = state.lost.as_ref()?;
        // Its share is played and told: what is lost is its file, if anything.
        if state.turn.over.is_some() {
            return None;
        }
        let started = self.turn.lock().unwrap_or_else(PoisonError::into_inner).1;
        // One that was lost earlier played nothing of this run.
        let started = started.filter(|start_ns| lost_ns >= start_ns);
        let at_s = started.map(|start_ns| (lost_ns - start_ns) as f64 / 1e9);
        Some(loss::sentence(peer.worker, of, at_s, why))
    }

    /// Waits for a word of every worker of the run.
    async fn all<T>(&self, failed: &str, word: impl Fn(&PeerState) -> Option<T>) -> anyhow::Result<()> {
        let told = self
            .heard(|leader| {
                if leader.is_stopped() {
                    return Some(Err("a worker's user stopped it".to_owned()));
                }
                let lost = |peer: &Peer| {
                    leader.loss_of(peer).filter(|_| !leader.goes_on() || peer.state().lost.is_none())
                };
                if let Some(lost) = leader.players().find_map(lost) {
                    return Some(Err(lost));
                }
                let there = |peer: &Peer| peer.state().lost.is_some() || word(&peer.state()).is_some();
                leader.players().all(there).then_some(Ok(()))
            })
            .await;
        match told {
            Ok(()) => Ok(()),
            Err(why) => {
                self.stop();
                bail!("{why} ({failed})")
            }
        }
    }

    /// Waits for a word of one worker, or its end.
    async fn of_peer<T>(&self, peer: &Peer, word: impl Fn(&PeerState) -> Option<T>) -> anyhow::Result<T> {
        self.heard(|_| {
            let state = peer.state();
            match (word(&state), &state.lost) {
                (Some(word), _) => Some(Ok(word)),
                (None, Some((why, _))) => Some(Err(anyhow!("{why}"))),
                (None, None) => state.turn.failed.as_ref().map(|why| Err(anyhow!("{why}"))),
            }
        })
        .await
    }

    /// Looks again with everything that is heard, until there is what was looked for.
    fn heard<T>(&self, look: impl Fn(&Leader) -> Option<T>) -> impl Future<Output = T> {
        let mut news = self.news.clone();
        async move {
            loop {
                news.borrow_and_update();
                if let Some(found) = look(self) {
                    return found;
                }
                if news.changed().await.is_err() {
                    // Every thread that hears is gone, and each has said why: what is not there now never comes.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl Drop for Leader {
    /// The others see its end, whatever it came to.
    fn drop(&mut self) {
        for other in &self.others {
            other.peer.change(|state| state.dismissed = true);
            other.peer.link.close();
        }
    }
}

impl Other {
    /// Takes a worker in: from here on it is heard, and its clock looked at.
    fn take_in(
        arrival: Arrival,
        news: watch::Sender<u64>,
        now: &Now,
        stood_still_ns: &Arc<AtomicI64>,
    ) -> anyhow::Result<Other> {
        let Arrival { stream, link, worker, host, .. } = arrival;
        let peer = Arc::new(Peer::new((worker, host), link, now.clone(), news));
        let (pongs, stamps) = channel();
        let hearing = peer.clone();
        let named = |what: &str| std::thread::Builder::new().name(format!("{what}-{worker}"));
        named("hear").spawn(move || hearing.hear(stream, pongs))?;
        peer.send(&FromLeader::Welcome);
        look(&peer, &stamps, PINGS_OF_A_BURST, now);
        let (bursts, asked) = channel();
        let (asking, clock, still) = (peer.clone(), now.clone(), stood_still_ns.clone());
        named("pulse").spawn(move || pulse(&asking, &stamps, &asked, &clock, &still))?;
        Ok(Other { peer, bursts })
    }
}
