//! Every worker but worker 0: it joins, hears what to play, and says how it went.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::schema::live_counts::LiveCounts;
use crate::schema::workers::{ClockMap, ClockPoint, Share};

use super::arrive::arrive;
use super::clock::Now;
use super::frame::BLOCK;
use super::hearing::Hearing;
use super::identity::Identity;
use super::link::Link;
use super::message::{ClockWord, FromFollower, Order, Over};
use super::place::Place;
use super::token::file_sha256;

/// A stamp on a run clock is off by as much, µs: both are read in whole µs, between two readings of the other clock.
const READING_US: f64 = 2.0;

/// A worker that has joined.
pub struct Follower {
    /// Which worker.
    pub share: Share,
    speaker: Speaker,
    orders: UnboundedReceiver<Result<Order, String>>,
    words: Arc<Mutex<Vec<ClockWord>>>,
}

/// Says to worker 0 how it goes. What cannot be said is no error here: the end of the connection is an order of its own.
#[derive(Clone)]
pub struct Speaker {
    link: Arc<Link>,
}

impl Follower {
    /// Joins worker 0. This blocks until all workers are there: nothing else is done meanwhile.
    ///
    /// # Errors
    /// Worker 0 cannot be reached in time, refuses this worker or another one, or ends.
    pub fn join(place: &Place, identity: Identity, host: String, now: Now) -> anyhow::Result<Follower> {
        let (stream, link) = arrive(place, identity, host)?;
        let (sender, orders) = unbounded_channel();
        let words = Arc::new(Mutex::new(Vec::new()));
        let hearing = Hearing { link: link.clone(), orders: sender, words: words.clone(), now };
        std::thread::Builder::new().name("hear-0".to_owned()).spawn(move || hearing.hear(stream))?;
        Ok(Follower { share: place.share, speaker: Speaker { link }, orders, words })
    }

    /// The next order.
    ///
    /// # Errors
    /// Worker 0 is gone: why.
    pub async fn next(&mut self) -> Result<Order, String> {
        let ended = || Err("the thread that hears it ended".to_owned());
        self.orders.recv().await.unwrap_or_else(ended)
    }

    /// Says things from elsewhere.
    pub fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }

    /// What is known of this side's clock: its newest word.
    pub fn clock(&self) -> Option<ClockWord> {
        self.words().last().copied()
    }

    /// A run begins: what was known of the clock before is the past, but for the newest.
    pub fn forget_earlier_clocks(&self) {
        let mut words = self.words();
        let last = words.last().map(|last| ClockWord { step_ns: 0, silence_ns: 0, ..*last });
        *words = last.into_iter().collect();
    }

    /// How the run clock whose µs 0 is `zero_ns` on this side's clock is brought onto worker 0's, whose µs 0 is
    /// `first_zero_ns` on worker 0's.
    pub fn clock_map(&self, zero_ns: i64, first_zero_ns: i64) -> ClockMap {
        let words = self.words();
        let point = |word: &ClockWord| ClockPoint {
            at_us: (word.at_ns - zero_ns).div_euclid(1_000),
            // A difference of days in whole ns, before it becomes a float.
            offset_us: (word.offset_ns + zero_ns - first_zero_ns) as f64 / 1e3,
            bound_us: word.bound_ns as f64 / 1e3 + READING_US,
        };
        let largest = |of: fn(&ClockWord) -> i64| words.iter().map(of).max().unwrap_or(0) as f64;
        ClockMap {
            points: words.iter().map(point).collect(),
            largest_step_us: largest(|word| word.step_ns) / 1e3,
            longest_silence_s: largest(|word| word.silence_ns) / 1e9,
        }
    }

    fn words(&self) -> MutexGuard<'_, Vec<ClockWord>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Speaker {
    /// The schedule of a run is made.
    pub fn set(&self, run: u64, schedule: String) {
        self.say(&FromFollower::Set { run, schedule });
    }

    /// Warmed up; µs 0 of the run clock on this side's clock, ns.
    pub fn ready(&self, run: u64, zero_ns: i64) {
        self.say(&FromFollower::Ready { run, zero_ns });
    }

    /// What is counted by now.
    pub fn live(&self, run: u64, counts: LiveCounts) {
        self.say(&FromFollower::Live { run, counts: Box::new(counts) });
    }

    /// This share is played.
    pub fn over(&self, run: u64, over: Over) {
        self.say(&FromFollower::Over { run, over });
    }

    /// This worker cannot go on.
    pub fn failed(&self, run: u64, why: String) {
        self.say(&FromFollower::Failed { run, why });
    }

    /// The user stopped this worker: all stop.
    pub fn stop(&self) {
        self.say(&FromFollower::Stop);
    }

    /// The records are closed, and lie there. This reads the file: a thread that may block.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn offer(&self, run: u64, path: &Path) -> io::Result<()> {
        let (length, sha256) = file_sha256(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.say(&FromFollower::Part { run, name, length, sha256 });
        Ok(())
    }

    /// Sends the closed records. This reads the file: a thread that may block.
    ///
    /// # Errors
    /// The file cannot be read, or nobody takes it.
    pub fn send_file(&self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        loop {
            let mut block = Vec::new();
            if file.by_ref().take(BLOCK as u64).read_to_end(&mut block)? == 0 {
                return Ok(());
            }
            self.link.send_block(block)?;
        }
    }

    /// Nothing more is said.
    pub fn close(&self) {
        self.link.close();
    }

    fn say(&self, message: &FromFollower) {
        let _ = self.link.send(message);
    }
}
