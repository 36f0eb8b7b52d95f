//! The other workers, as worker 0 has them: who plays the run now, what they have said of it, and who is lost.

use std::future::Future;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{anyhow, bail};
use tokio::sync::{oneshot, watch};

use super::clock::Now;
use super::gather::Arrival;
use super::loss;
use super::message::{FromLeader, Order};
use super::peer::{Peer, PeerState, Turn};
use super::pulse::{Burst, PINGS_OF_A_BURST, look, pulse};

/// A worker that is told of the end closes its connection within this time.
const FAREWELL: Duration = Duration::from_secs(2);

/// All workers but worker 0.
pub struct Players {
    /// A run goes on without a worker that is lost.
    pub goes_on: bool,
    /// The longest that this process stood still, ns.
    pub stood_still_ns: Arc<AtomicI64>,
    others: Vec<Other>,
    /// Counts up with all that is heard.
    news: watch::Receiver<u64>,
    /// How many workers play the run now, and when its measured phase began, ns.
    turn: Mutex<(u32, Option<i64>)>,
}

struct Other {
    peer: Arc<Peer>,
    bursts: Sender<Burst>,
}

impl Players {
    /// Takes in those who came: from here on they are heard, and their clocks looked at.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn take_in(arrivals: Vec<Arrival>, goes_on: bool, now: &Now) -> anyhow::Result<Players> {
        let (sender, news) = watch::channel(0);
        let stood_still_ns = Arc::new(AtomicI64::new(0));
        let turn = Mutex::new((arrivals.len() as u32 + 1, None));
        let mut others = Vec::new();
        for arrival in arrivals {
            others.push(Other::take_in(arrival, sender.clone(), now, &stood_still_ns)?);
        }
        Ok(Players { goes_on, stood_still_ns, others, news, turn })
    }

    /// Everybody, whether they play the run or not.
    pub fn everybody(&self) -> impl Iterator<Item = &Peer> {
        self.others.iter().map(|other| &*other.peer)
    }

    /// Those that play the run.
    pub fn of_run(&self) -> impl Iterator<Item = &Peer> {
        let of = self.played_by();
        self.everybody().filter(move |peer| peer.worker < of)
    }

    /// A run begins that the first `of` workers play: nothing was said of it yet.
    pub fn begin(&self, run: u64, of: u32) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = (of, None);
        for peer in self.everybody() {
            peer.change(|state| {
                state.turn = Turn { run, ..Turn::default() };
                (state.step_ns, state.silence_ns) = (0, 0);
            });
        }
    }

    /// Its measured phase begins at that time, ns.
    pub fn starts_at(&self, start_ns: i64) {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(start_ns);
    }

    /// Orders those that play the run.
    pub fn order(&self, order: Order) {
        let message = FromLeader::Order(order);
        self.of_run().for_each(|peer| peer.send(&message));
    }

    /// They stop sending.
    pub fn stop(&self) {
        self.of_run().for_each(|peer| peer.change(|state| state.turn.told_to_stop = true));
        self.order(Order::Stop);
    }

    /// The user of one of them has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.everybody().any(|peer| peer.state().stopped)
    }

    /// What is said of one that is lost or cannot go on.
    pub fn loss_of(&self, peer: &Peer) -> Option<String> {
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

    /// Bursts of pings to all that play the run, at once.
    pub async fn look_at_clocks(&self) {
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

    /// Waits for a word of all that play the run.
    ///
    /// # Errors
    /// One of them is lost or cannot go on, or its user stops it; all are told to stop then.
    pub async fn all<T>(&self, failed: &str, word: impl Fn(&PeerState) -> Option<T>) -> anyhow::Result<()> {
        let told = self
            .heard(|players| {
                if players.is_stopped() {
                    return Some(Err("a worker's user stopped it".to_owned()));
                }
                let lost = |peer: &Peer| {
                    players.loss_of(peer).filter(|_| !players.goes_on || peer.state().lost.is_none())
                };
                if let Some(lost) = players.of_run().find_map(lost) {
                    return Some(Err(lost));
                }
                let there = |peer: &Peer| peer.state().lost.is_some() || word(&peer.state()).is_some();
                players.of_run().all(there).then_some(Ok(()))
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

    /// Waits for a word of one worker.
    ///
    /// # Errors
    /// It is lost or cannot go on.
    pub async fn of_peer<T>(&self, peer: &Peer, word: impl Fn(&PeerState) -> Option<T>) -> anyhow::Result<T> {
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
    pub fn heard<T>(&self, look: impl Fn(&Players) -> Option<T>) -> impl Future<Output = T> {
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

    /// Nothing more is played: they close, and whoever does not is no reason to stay.
    pub async fn dismiss(&self, interrupted: bool) {
        for peer in self.everybody() {
            peer.change(|state| state.dismissed = true);
            peer.send(&FromLeader::Order(Order::End { interrupted }));
        }
        let closed = async {
            for other in &self.others {
                while Arc::strong_count(&other.peer) > 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, closed).await;
        self.everybody().for_each(|peer| peer.link.close());
    }

    fn played_by(&self) -> u32 {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Players {
    /// They see the end of worker 0, whatever it came to.
    fn drop(&mut self) {
        for peer in self.everybody() {
            peer.change(|state| state.dismissed = true);
            peer.link.close();
        }
    }
}

impl Other {
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
