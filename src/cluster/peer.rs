//! What worker 0 knows of another one, and the thread that hears it.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::schema::live_counts::LiveCounts;

use super::clock::{Now, Stamps};
use super::drift::Drift;
use super::frame::{self, Frame};
use super::link::Link;
use super::message::{FromFollower, FromLeader, Over};
use super::token::hex;

/// Another worker, as worker 0 sees it.
pub struct Peer {
    /// Which worker.
    pub worker: u32,
    /// Name of its machine.
    pub host: String,
    /// To it.
    pub link: Link,
    /// When something came of it last, ns on this side's clock.
    pub heard_ns: AtomicI64,
    now: Now,
    state: Mutex<PeerState>,
    news: watch::Sender<u64>,
}

/// What it has said.
#[derive(Default)]
pub struct PeerState {
    /// Its clock.
    pub drift: Drift,
    /// Its newest offset, ns.
    pub offset_ns: i64,
    /// The shortest round trip of the last burst, ns.
    pub round_trip_ns: i64,
    /// The largest step of its clock in the run, ns.
    pub step_ns: i64,
    /// The longest time without an answer in the run, ns.
    pub silence_ns: i64,
    /// Why it is no more, and since when, ns on this side's clock.
    pub lost: Option<(String, i64)>,
    /// Its user stopped it.
    pub stopped: bool,
    /// Nothing more is wanted of it: its end is none that matters.
    pub dismissed: bool,
    /// Of the run that is played.
    pub turn: Turn,
}

/// What it has said of one run.
#[derive(Default)]
pub struct Turn {
    /// Which run.
    pub run: u64,
    /// Hash of its schedule.
    pub schedule: Option<String>,
    /// It waits for the start; µs 0 of its run clock on its clock, ns.
    pub zero_ns: Option<i64>,
    /// What it counted last.
    pub live: LiveCounts,
    /// Its share is played.
    pub over: Option<Over>,
    /// Its closed records: name, bytes, SHA-256.
    pub offer: Option<(String, u64, String)>,
    /// It cannot go on.
    pub failed: Option<String>,
    /// It played not to its end, and nobody had told it to stop: why.
    pub gave_up: Option<String>,
    /// It was told to stop sending.
    pub told_to_stop: bool,
    /// Where its records go.
    pub arriving: Option<Arriving>,
    /// Whether they are here whole.
    pub arrived: Option<Result<PathBuf, String>>,
}

/// A file that comes in pieces.
pub struct Arriving {
    path: PathBuf,
    file: File,
    left: u64,
    sha256: String,
    hash: Sha256,
}

impl Arriving {
    /// Takes a file of so many bytes with that hash.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn at(path: PathBuf, length: u64, sha256: String) -> std::io::Result<Arriving> {
        let file = File::create(&path)?;
        Ok(Arriving { path, file, left: length, sha256, hash: Sha256::new() })
    }

    /// Takes a piece; true with the last.
    fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        let length = bytes.len() as u64;
        self.left = self.left.checked_sub(length).ok_or("more came of its records than it said")?;
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|error| format!("{}: {error}", self.path.display()))?;
        if self.left > 0 {
            return Ok(false);
        }
        let came = hex(&self.hash.clone().finalize());
        if came == self.sha256 { Ok(true) } else { Err("its records came with another hash".to_owned()) }
    }
}

impl Peer {
    /// A worker that was taken in.
    pub fn new((worker, host): (u32, String), link: Link, now: Now, news: watch::Sender<u64>) -> Peer {
        let state = Mutex::new(PeerState::default());
        let heard_ns = AtomicI64::new(now());
        Peer { worker, host, link, heard_ns, now, state, news }
    }

    /// What it has said; those who wait look again afterwards.
    pub fn change<T>(&self, change: impl FnOnce(&mut PeerState) -> T) -> T {
        let changed = change(&mut self.state());
        self.news.send_modify(|count| *count += 1);
        changed
    }

    /// What it has said.
    pub fn state(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is no more; the first reason counts.
    pub fn lose(&self, why: String) {
        self.link.close();
        let since_ns = (self.now)();
        self.change(|state| {
            if !state.dismissed {
                state.lost.get_or_insert((why, since_ns));
            }
        });
    }

    /// Sends a message; whoever takes none is lost.
    pub fn send(&self, message: &FromLeader) {
        if self.state().lost.is_some() {
            return;
        }
        if let Err(error) = self.link.send(message) {
            self.lose(format!("nothing can be sent to it: {error}"));
        }
    }

    /// Hears it until its end. Pings are stamped here, by a thread that does nothing else.
    pub fn hear(self: Arc<Self>, mut stream: TcpStream, pongs: Sender<Stamps>) {
        loop {
            let frame = frame::read(&mut stream);
            let came_ns = (self.now)();
            self.heard_ns.store(came_ns, Ordering::Relaxed);
            match frame {
                Ok(Some(Frame::Message(bytes))) => match serde_json::from_slice(&bytes) {
                    Ok(FromFollower::Pong { t0, t1, t2 }) => {
                        let _ = pongs.send(Stamps { t0, t1, t2, t3: came_ns });
                    }
                    Ok(message) => self.take(message),
                    Err(error) => return self.lose(format!("it said what is no message: {error}")),
                },
                Ok(Some(Frame::Block(bytes))) => self.take_block(&bytes),
                Ok(None) => return self.lose("its connection closed".to_owned()),
                Err(error) => return self.lose(format!("its connection broke: {error}")),
            }
        }
    }

    fn take(&self, message: FromFollower) {
        self.change(|state| {
            let current = state.turn.run;
            let turn = &mut state.turn;
            match message {
                FromFollower::Set { run, schedule } if run == current => turn.schedule = Some(schedule),
                FromFollower::Ready { run, zero_ns } if run == current => turn.zero_ns = Some(zero_ns),
                FromFollower::Live { run, counts } if run == current => turn.live = *counts,
                FromFollower::Over { run, over } if run == current => {
                    turn.gave_up = over.cut.clone().filter(|_| !turn.told_to_stop && !state.stopped);
                    turn.over = Some(over);
                }
                FromFollower::Part { run, name, length, sha256 } if run == current => {
                    turn.offer = Some((name, length, sha256));
                }
                FromFollower::Failed { run, why } if run == current => turn.failed = Some(why),
                FromFollower::Stop => state.stopped = true,
                // Of a run that is over, or a greeting that nobody asked for.
                FromFollower::Set { .. }
                | FromFollower::Ready { .. }
                | FromFollower::Live { .. }
                | FromFollower::Over { .. }
                | FromFollower::Part { .. }
                | FromFollower::Failed { .. }
                | FromFollower::Hello { .. }
                | FromFollower::Pong { .. } => {}
            }
        });
    }

    fn take_block(&self, bytes: &[u8]) {
        let mut state = self.state();
        let Some(arriving) = state.turn.arriving.as_mut() else { return };
        let arrived = match arriving.take(bytes) {
            Ok(false) => return,
            Ok(true) => Ok(arriving.path.clone()),
            Err(why) => Err(why),
        };
        state.turn.arriving = None;
        state.turn.arrived = Some(arrived);
        drop(state);
        self.news.send_modify(|count| *count += 1);
    }
}

/// Pongs as they come.
pub type Pongs = Receiver<Stamps>;
