//! The join at worker 0: who connects is asked who it is, and taken in, or refused by name.

use std::io;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::schema::refusal::{cures, refusal};

use super::frame::{self, Frame};
use super::identity::Identity;
use super::link::Link;
use super::meeting::{Listening, Meeting, is_here};
use super::message::{FromFollower, FromLeader};
use super::place::Place;
use super::token;

/// Who connects says who it is within this time.
const GREETING: Duration = Duration::from_secs(10);
/// Between two looks at whether those who came are still there.
const LOOK: Duration = Duration::from_millis(200);
/// So long after a refusal those who come are told of it: else each would look for worker 0 until its time is up.
const REFUSING: Duration = Duration::from_secs(1);
/// Connections that have not said who they are, at most: strangers take no more threads.
const STRANGERS: usize = 256;

/// Somebody who said who it is.
pub struct Arrival {
    /// Its connection.
    pub stream: TcpStream,
    /// Where it came from.
    pub from: IpAddr,
    /// To it.
    pub link: Link,
    /// Which worker it says it is.
    pub worker: u32,
    /// Name of its machine.
    pub host: String,
    of: u32,
    token: Option<String>,
    identity: Identity,
}

impl Arrival {
    /// Its connection is open. It says nothing until it is welcomed.
    fn is_there(&self) -> bool {
        let looked = self
            .stream
            .set_nonblocking(true)
            .and_then(|()| self.stream.peek(&mut [0]))
            .map_or_else(|error| error.kind() == io::ErrorKind::WouldBlock, |read| read > 0);
        // The sending half shares it.
        self.stream.set_nonblocking(false).is_ok() && looked
    }
}

/// What worker 0 asks of whoever comes.
pub struct Door<'a> {
    /// This worker's place.
    pub place: &'a Place,
    /// What it plays.
    pub identity: &'a Identity,
    /// A server that is launched answers on this machine alone, and workers must be on it.
    pub here_alone: bool,
    /// Hears of what a person wants to know meanwhile.
    pub tell: &'a dyn Fn(String),
}

impl Door<'_> {
    /// Waits for all others: in the order of their numbers.
    ///
    /// # Errors
    /// The address cannot be listened on, one of them is refused, or some are missing when the time is up: their
    /// numbers. All that came are told.
    pub fn gather(&self) -> anyhow::Result<Vec<Arrival>> {
        let listening = Listening::at(&self.place.meeting, &self.place.names)?;
        let listener = listening.listener.try_clone()?;
        let (sender, arrivals) = channel();
        let at = listener.local_addr()?;
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = closed.clone();
        let accepting = std::thread::Builder::new()
            .name("join".to_owned())
            .spawn(move || accept(&listener, &sender, &is_closed))?;
        let mut came: Vec<Arrival> = Vec::new();
        let gathered = self.all(&arrivals, &mut came);
        if let Err(error) = &gathered {
            let until = Instant::now() + REFUSING;
            came.drain(..).for_each(|arrival| tell_end(&arrival, error));
            while let Ok(late) = arrivals.recv_timeout(until.saturating_duration_since(Instant::now())) {
                tell_end(&late, error);
            }
        }
        // The thread wakes, sees that nobody waits any more, and goes; the port is free.
        closed.store(true, Ordering::Relaxed);
        if TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_ok() {
            let _ = accepting.join();
        }
        gathered?;
        came.sort_by_key(|arrival| arrival.worker);
        Ok(came)
    }

    fn all(&self, arrivals: &Receiver<Arrival>, came: &mut Vec<Arrival>) -> anyhow::Result<()> {
        let of = self.place.share.of;
        let until = Instant::now() + self.place.timeout;
        loop {
            self.forget_those_who_left(came);
            if came.len() as u32 + 1 >= of {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            match arrivals.recv_timeout(left.min(LOOK)) {
                Ok(arrival) => {
                    if !self.knows(&arrival) {
                        (self.tell)(format!(
                            "a connection from {} was turned away: its token is not HARNESS_JOIN_TOKEN",
                            arrival.from
                        ));
                        let what = "its HARNESS_JOIN_TOKEN is not that of worker 0".to_owned();
                        let cure = "give every worker the same".to_owned();
                        let _ = arrival.link.send(&FromLeader::Refused { what, cure });
                        continue;
                    }
                    self.forget_those_who_left(came);
                    if let Err(error) = self.admit(&arrival, came) {
                        came.push(arrival);
                        return Err(error);
                    }
                    (self.tell)(format!(
                        "worker {} of {of} has joined, from {} ({})",
                        arrival.worker, arrival.host, arrival.from
                    ));
                    came.push(arrival);
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(RecvTimeoutError::Timeout) => return Err(self.missing(came)),
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the thread of the join ended")),
            }
        }
    }

    /// A worker that ended while the others are waited for may be started again.
    fn forget_those_who_left(&self, came: &mut Vec<Arrival>) {
        came.retain(|arrival| {
            let stays = arrival.is_there();
            if !stays {
                (self.tell)(format!(
                    "worker {} of {} ({}) left before all had joined; it is waited for again",
                    arrival.worker, self.place.share.of, arrival.host
                ));
            }
            stays
        });
    }

    /// A token that is asked for is shown; without one, who knows the plan is no stranger. (One who knows another
    /// plan of this harness is told in what it differs, so that a mistake is found.)
    fn knows(&self, arrival: &Arrival) -> bool {
        match &self.place.token {
            Some(expected) => token::is_same(arrival.token.as_deref().unwrap_or_default(), expected),
            None => true,
        }
    }

    fn admit(&self, arrival: &Arrival, came: &[Arrival]) -> anyhow::Result<()> {
        let of = self.place.share.of;
        let who = format!("worker {} of {of} ({})", arrival.worker, arrival.host);
        if arrival.of != of {
            let what =
                format!("{who} says that it is one of {}, and worker 0 that there are {of}", arrival.of);
            return Err(refusal(what, "give every worker the same number of workers"));
        }
        if let Some(differs) = self.identity.difference(&arrival.identity) {
            return Err(refusal(format!("{who} has {}", differs.what), differs.cure));
        }
        let twice = arrival.worker == 0 || came.iter().any(|other| other.worker == arrival.worker);
        if twice || arrival.worker >= of {
            let what = match twice {
                true => format!("two workers say that they are worker {} of {of}", arrival.worker),
                false => format!("{who} has no such number"),
            };
            return Err(refusal(what, format!("number them from 0 to {}, each once", of - 1)));
        }
        if self.here_alone && !is_here(arrival.from) {
            return Err(refusal(
                format!(
                    "{who} is another machine, and the server that worker 0 launches answers on its own alone"
                ),
                "start the server by itself, and give every worker its address: harness bench --url http://HOST:PORT",
            ));
        }
        Ok(())
    }

    fn missing(&self, came: &[Arrival]) -> anyhow::Error {
        let of = self.place.share.of;
        let absent: Vec<String> = (1..of)
            .filter(|worker| !came.iter().any(|arrival| arrival.worker == *worker))
            .map(|worker| worker.to_string())
            .collect();
        let (word, verb) = if absent.len() == 1 { ("worker", "has") } else { ("workers", "have") };
        refusal(
            format!(
                "{word} {} of {of} {verb} not joined within {} s",
                absent.join(", "),
                self.place.timeout.as_secs_f64()
            ),
            match &self.place.meeting {
                Meeting::Address(address) => format!(
                    "start them with --join and this machine's address (worker 0 listened on {address}), or wait longer: --join-timeout"
                ),
                file @ Meeting::File(_) => format!(
                    "start them with --join {file} in a directory that they share with worker 0, or wait longer: --join-timeout"
                ),
            },
        )
    }
}

/// Nothing is played.
fn tell_end(arrival: &Arrival, error: &anyhow::Error) {
    let what = format!("worker 0 has ended: {error:#}");
    let cure = cures(error).first().map_or_else(String::new, |cure| (*cure).to_owned());
    let _ = arrival.link.send(&FromLeader::Refused { what, cure });
}

fn accept(listener: &TcpListener, arrivals: &Sender<Arrival>, closed: &AtomicBool) {
    let strangers = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if closed.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if strangers.load(Ordering::Relaxed) >= STRANGERS {
            continue;
        }
        strangers.fetch_add(1, Ordering::Relaxed);
        let (arrivals, greeting) = (arrivals.clone(), strangers.clone());
        let greeted = std::thread::Builder::new().name("greeting".to_owned()).spawn(move || {
            if let Some(arrival) = greet(stream) {
                let _ = arrivals.send(arrival);
            }
            greeting.fetch_sub(1, Ordering::Relaxed);
        });
        if greeted.is_err() {
            strangers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn greet(mut stream: TcpStream) -> Option<Arrival> {
    stream.set_read_timeout(Some(GREETING)).ok()?;
    let Ok(Some(Frame::Message(bytes))) = frame::read(&mut stream) else { return None };
    let Ok(FromFollower::Hello { index, of, token, host, identity }) = serde_json::from_slice(&bytes) else {
        return None;
    };
    stream.set_read_timeout(None).ok()?;
    let link = Link::of(&stream).ok()?;
    let from = stream.peer_addr().ok()?.ip().to_canonical();
    Some(Arrival { stream, from, link, worker: index, host, of, token, identity: *identity })
}
