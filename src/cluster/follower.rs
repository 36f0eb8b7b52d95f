//! Every worker but worker 0: it joins, hears what to play, and says how it went.

use std::fs::File;
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::schema::files::RecordsHeader;
use crate::schema::refusal::refusal;
use crate::schema::workers::{ClockMap, ClockPoint, Share};

use super::clock::Now;
use super::frame::{self, BLOCK, Frame};
use super::identity::Identity;
use super::link::Link;
use super::message::{ClockWord, FromFollower, FromLeader, Over};
use super::place::{LOST_AFTER, Place};
use super::token::file_sha256;

/// One try to connect.
const TRY: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Worker 0 waits for the others as long as this one does, and may have begun later.
const LONGER: Duration = Duration::from_secs(30);
/// A stamp on a run clock is off by as much, µs: both are read in whole µs, between two readings of the other clock.
const READING_US: f64 = 2.0;

/// A worker that has joined.
pub struct Follower {
    /// Which worker.
    pub share: Share,
    speaker: Speaker,
    orders: UnboundedReceiver<Order>,
    words: Arc<Mutex<Vec<ClockWord>>>,
}

/// Says to worker 0 how it goes. What cannot be said is no error here: the end of the connection is an order of its own.
#[derive(Clone)]
pub struct Speaker {
    link: Arc<Link>,
}

/// What worker 0 wants.
#[derive(Debug)]
pub enum Order {
    /// Make the schedule of a run, and say its hash.
    Play(Box<Part>),
    /// Warm up.
    Warm {
        /// Which run.
        run: u64,
    },
    /// The measured phase begins.
    Start {
        /// Which run.
        run: u64,
        /// When, on this side's clock, ns.
        at_ns: i64,
        /// µs 0 of worker 0's run clock on worker 0's clock, ns.
        zero_ns: i64,
    },
    /// Stop sending.
    Stop,
    /// Close the records.
    Close {
        /// Which run.
        run: u64,
        /// Why it did not reach its end.
        partial: Option<String>,
    },
    /// Send the closed records.
    Send {
        /// Which run.
        run: u64,
    },
    /// Worker 0 has the records.
    Have {
        /// Which run.
        run: u64,
    },
    /// Nothing more is played.
    End {
        /// Somebody stopped it.
        interrupted: bool,
    },
    /// Worker 0 is gone: why.
    Lost(String),
}

/// A run as worker 0 tells of it.
#[derive(Debug)]
pub struct Part {
    /// Which run.
    pub run: u64,
    /// What stands at the head of the records.
    pub header: RecordsHeader,
    /// How many workers play it: the first ones.
    pub of: u32,
    /// Where the server is.
    pub url: String,
}

impl Follower {
    /// Joins worker 0. This blocks until all workers are there: nothing else is done meanwhile.
    ///
    /// # Errors
    /// Worker 0 cannot be reached in time, refuses this worker or another one, or ends.
    pub fn join(place: &Place, identity: Identity, host: String, now: Now) -> anyhow::Result<Follower> {
        let mut stream = connect(place)?;
        let link = Arc::new(Link::of(&stream)?);
        link.send(&FromFollower::Hello {
            index: place.share.worker,
            of: place.share.of,
            token: place.token.clone(),
            host,
            identity: Box::new(identity),
        })?;
        stream.set_read_timeout(Some(place.timeout + LONGER))?;
        welcomed(&mut stream, place)?;
        stream.set_read_timeout(Some(LOST_AFTER))?;
        let (sender, orders) = unbounded_channel();
        let words = Arc::new(Mutex::new(Vec::new()));
        let hearing = Hearing { link: link.clone(), orders: sender, words: words.clone(), now };
        std::thread::Builder::new().name("hear-0".to_owned()).spawn(move || hearing.hear(stream))?;
        Ok(Follower { share: place.share, speaker: Speaker { link }, orders, words })
    }

    /// The next order.
    pub async fn next(&mut self) -> Order {
        self.orders.recv().await.unwrap_or_else(|| Order::Lost("the thread that hears it ended".to_owned()))
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

fn connect(place: &Place) -> anyhow::Result<TcpStream> {
    let until = Instant::now() + place.timeout;
    loop {
        let why = match try_all(&place.address) {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        if Instant::now() >= until {
            let Share { worker, of } = place.share;
            return Err(refusal(
                format!(
                    "worker {worker} of {of} cannot reach worker 0 at {} ({why}), and tried for {} s",
                    place.address,
                    place.timeout.as_secs_f64()
                ),
                "start worker 0, or check its address (--join HOST:PORT) and what lies between",
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

fn try_all(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TRY) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn welcomed(stream: &mut TcpStream, place: &Place) -> anyhow::Result<()> {
    let ended = |why: String| {
        let what = format!("worker 0 at {} ended before all workers had joined ({why})", place.address);
        refusal(what, "see what worker 0 says; an older harness there closes the connection too")
    };
    match frame::read(stream) {
        Ok(Some(Frame::Message(bytes))) => match serde_json::from_slice(&bytes) {
            Ok(FromLeader::Welcome) => Ok(()),
            Ok(FromLeader::Refused { what, cure }) => Err(refusal(what, cure)),
            Ok(_) | Err(_) => Err(anyhow!("{} is no worker 0 of a harness", place.address)),
        },
        Ok(Some(Frame::Block(_))) => Err(anyhow!("{} is no worker 0 of a harness", place.address)),
        Ok(None) => Err(ended("its connection closed".to_owned())),
        Err(error) => Err(ended(error.to_string())),
    }
}

/// The thread that hears worker 0, and answers its pings at once.
struct Hearing {
    link: Arc<Link>,
    orders: UnboundedSender<Order>,
    words: Arc<Mutex<Vec<ClockWord>>>,
    now: Now,
}

impl Hearing {
    fn hear(self, mut stream: TcpStream) {
        let why = loop {
            let frame = frame::read(&mut stream);
            let t1 = (self.now)();
            let bytes = match frame {
                Ok(Some(Frame::Message(bytes))) => bytes,
                Ok(Some(Frame::Block(_))) => break "it said what is no message".to_owned(),
                Ok(None) => break "its connection closed".to_owned(),
                Err(error) if is_silence(&error) => {
                    break format!("it has not been heard for {} s", LOST_AFTER.as_secs());
                }
                Err(error) => break format!("its connection broke: {error}"),
            };
            let message = match serde_json::from_slice(&bytes) {
                Ok(message) => message,
                Err(error) => break format!("it said what is no message: {error}"),
            };
            match self.order(message, t1) {
                Ok(Some(order)) => {
                    let _ = self.orders.send(order);
                }
                Ok(None) => {}
                Err(error) => break format!("nothing can be sent to it: {error}"),
            }
        };
        let _ = self.orders.send(Order::Lost(why));
        self.link.close();
    }

    /// What a message wants of the program; none of one that is dealt with here.
    fn order(&self, message: FromLeader, t1: i64) -> io::Result<Option<Order>> {
        Ok(Some(match message {
            FromLeader::Ping { t0 } => {
                self.link.send_stamped(&self.now, |t2| FromFollower::Pong { t0, t1, t2 })?;
                return Ok(None);
            }
            FromLeader::Clock(word) => {
                self.words.lock().unwrap_or_else(PoisonError::into_inner).push(word);
                return Ok(None);
            }
            FromLeader::Welcome => return Ok(None),
            FromLeader::Refused { what, cure } => Order::Lost(format!("{what}; {cure}")),
            FromLeader::Play { run, header, of, url } => {
                Order::Play(Box::new(Part { run, header: *header, of, url }))
            }
            FromLeader::Warm { run } => Order::Warm { run },
            FromLeader::Start { run, at_ns, zero_ns } => Order::Start { run, at_ns, zero_ns },
            FromLeader::Stop => Order::Stop,
            FromLeader::Close { run, partial } => Order::Close { run, partial },
            FromLeader::Send { run } => Order::Send { run },
            FromLeader::Have { run } => Order::Have { run },
            FromLeader::End { interrupted } => Order::End { interrupted },
        }))
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
