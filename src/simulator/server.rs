//! The loop: one thread, one epoll, one heap of due times.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::connection::{Connection, Input};
use super::counters::Counters;
use super::dialect::{self, Dialect, Loading, Terminate};
use super::http::Framer;
use super::random::Random;
use super::settings::{Settings, Start};
use super::system::{self, Poll, Ready};
use super::truth::Book;

const LISTENER: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;
/// Why a simulated engine cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address cannot be had.
    #[error("cannot bind {host}:{port}: {source}; choose another --port, or 0 for any free one")]
    Bind {
        /// As asked for.
        host: Ipv4Addr,
        /// As asked for.
        port: u16,
        /// The system's word.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("the simulator's loop failed: {0}")]
    System(#[from] std::io::Error),
}

/// Sockets served between two looks at the due times: a wave of requests must not hold up tokens.
const EVENTS_A_TURN: usize = 16;
/// Due times handled between two looks at the sockets.
const TIMERS_A_TURN: usize = 64;

/// Which connection, and which of those that had this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    index: u32,
    generation: u32,
}

impl Place {
    fn key(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    fn of(key: u64) -> Self {
        Self { index: key as u32, generation: (key >> 32) as u32 }
    }
}

/// What is to happen at a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The next chunk of an answer (its ticket).
    Token(Place, u64),
    /// A stalled answer goes on.
    Resume(Place, u64),
    /// The batch's step ends.
    Step,
    /// An answer that was put off is given.
    Later(Place),
    /// A connection has been idle since this count of answers.
    Idle(Place, u64),
    /// Start to listen.
    Listen,
    /// Loading is over.
    Ready,
    /// The process fails while it loads.
    Die,
    /// Silent streams are dropped.
    Drop,
}

struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Stopped by a signal.
    Stopped,
    /// By a second signal, as llama-server does.
    Killed,
    /// A fault on demand.
    Crashed,
    /// A fault on demand, while loading.
    DiedLoading,
}

/// The pretend engine.
pub struct Server {
    pub(super) settings: Settings,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) poll: Poll,
    pub(super) listener: Option<OwnedFd>,
    signals: OwnedFd,
    slots: Vec<Slot>,
    free: Vec<u32>,
    alarms: BinaryHeap<Reverse<(u64, Alarm)>>,
    pub(super) framer: Framer,
    pub(super) counters: Counters,
    pub(super) book: Book,
    pub(super) waiting: VecDeque<(Place, u64)>,
    pub(super) batch: Vec<(Place, u64)>,
    pub(super) step_end_ns: Option<u64>,
    pub(super) step_jitter: Random,
    pub(super) loading: bool,
    pub(super) stopping: bool,
    pub(super) muted: bool,
    pub(super) ended: Option<Ended>,
    pub(super) next_ticket: u64,
    accepted: u64,
    buffer: Vec<u8>,
}

impl Server {
    /// Bind, but do not listen yet; the port.
    pub fn bind(settings: Settings) -> Result<(Self, u16), SimulatorError> {
        let (listener, port) = system::bind(settings.host, settings.port, settings.share_port)
            .map_err(|source| SimulatorError::Bind { host: settings.host, port: settings.port, source })?;
        let dialect = dialect::of(settings.engine);
        let server = Self {
            dialect,
            poll: Poll::new(EVENTS_A_TURN)?,
            listener: Some(listener),
            signals: system::signals()?,
            slots: Vec::new(),
            free: Vec::new(),
            alarms: BinaryHeap::new(),
            framer: Framer::new(dialect.uppercase_sizes()),
            counters: Counters::default(),
            book: Book::new(settings.truth_limit),
            waiting: VecDeque::new(),
            batch: Vec::new(),
            step_end_ns: None,
            step_jitter: Random::new(settings.seed, 0x57E9, 0),
            loading: true,
            stopping: false,
            muted: false,
            ended: None,
            next_ticket: 1,
            accepted: 0,
            buffer: vec![0; 64 * 1024],
            settings,
        };
        Ok((server, port))
    }

    /// Serve until a signal or a fault on demand ends it.
    pub fn run(&mut self) -> Result<Ended, SimulatorError> {
        self.poll.add(self.signals.as_raw_fd(), SIGNALS, false)?;
        self.begin();
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            self.ring()?;
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            let timeout =
                self.alarms.peek().map(|Reverse((due, _))| due.saturating_sub(system::monotonic_ns()));
            self.poll.wait(timeout, &mut ready)?;
            for event in &ready {
                match event.key {
                    LISTENER => self.accept()?,
                    SIGNALS => self.signal(),
                    key => self.serve(Place::of(key), *event),
                }
            }
        }
    }

    /// Let something happen at a time on CLOCK_MONOTONIC.
    pub(super) fn at(&mut self, due_ns: u64, alarm: Alarm) {
        self.alarms.push(Reverse((due_ns, alarm)));
    }

    fn begin(&mut self) {
        let now = system::monotonic_ns();
        let (time, end) = match self.settings.start {
            Start::After(time) => (time, Some(Alarm::Ready)),
            Start::Dies(time) => (time, Some(Alarm::Die)),
            Start::Never => (Duration::from_secs(3), None),
        };
        let time_ns = time.as_nanos() as u64;
        let listens_ns = match (self.dialect.loading(), end) {
            (Loading::Unavailable, _) => Some(0),
            (Loading::RefusedThenUnhealthy, _) => Some(time_ns * 2 / 3),
            (Loading::Refused, Some(_)) => Some(time_ns),
            (Loading::Refused, None) => None,
        };
        if let Some(after) = listens_ns {
            self.at(now + after, Alarm::Listen);
        }
        if let Some(alarm) = end {
            self.at(now + time_ns, alarm);
        }
    }

    fn ring(&mut self) -> Result<(), SimulatorError> {
        let now = system::monotonic_ns();
        for _ in 0..TIMERS_A_TURN {
            match self.alarms.peek() {
                Some(Reverse((due, _))) if *due <= now => {}
                Some(_) | None => return Ok(()),
            }
            let Some(Reverse((due, alarm))) = self.alarms.pop() else { return Ok(()) };
            match alarm {
                Alarm::Token(place, ticket) => self.token_due(place, ticket, due),
                Alarm::Resume(place, ticket) => self.resume(place, ticket, due),
                Alarm::Step => self.step_ends(due),
                Alarm::Later(place) => self.answer_later(place),
                Alarm::Idle(place, answers) => self.close_idle(place, answers),
                Alarm::Listen => {
                    if let Some(listener) = &self.listener {
                        system::listen(listener)?;
                        self.poll.add(listener.as_raw_fd(), LISTENER, false)?;
                    }
                }
                Alarm::Ready => self.loading = false,
                Alarm::Die => self.ended = Some(Ended::DiedLoading),
                Alarm::Drop => self.ended = Some(Ended::Stopped),
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), SimulatorError> {
        for _ in 0..EVENTS_A_TURN {
            let Some(listener) = &self.listener else { return Ok(()) };
            let Some(socket) = system::accept(listener, self.settings.nagle)? else { return Ok(()) };
            let index = self.free.pop().unwrap_or_else(|| {
                self.slots.push(Slot { generation: 0, connection: None });
                (self.slots.len() - 1) as u32
            });
            let slot = &mut self.slots[index as usize];
            // Keys must not meet those of the listener and the signals.
            slot.generation = (slot.generation + 1) & 0x7FFF_FFFF;
            let place = Place { index, generation: slot.generation };
            self.poll.add(socket.as_raw_fd(), place.key(), false)?;
            slot.connection = Some(Box::new(Connection::new(socket, self.accepted)));
            self.accepted += 1;
        }
        Ok(())
    }

    fn signal(&mut self) {
        while system::next_signal(&self.signals).is_some() {
            if self.settings.ignore_sigterm {
                continue;
            }
            let behaviour = self.dialect.terminate();
            if self.stopping {
                if let Terminate::SilentFor(_) = behaviour {
                    self.ended = Some(Ended::Killed);
                }
                continue;
            }
            self.stopping = true;
            self.listener = None;
            match behaviour {
                Terminate::Finish => {}
                Terminate::Silent => self.muted = true,
                Terminate::SilentFor(time) => {
                    self.muted = true;
                    self.at(system::monotonic_ns() + time.as_nanos() as u64, Alarm::Drop);
                }
            }
            self.end_when_quiet();
        }
    }

    /// When stopping, the last answer's end is the process's.
    pub(super) fn end_when_quiet(&mut self) {
        if self.stopping && self.counters.in_flight() == 0 {
            self.ended.get_or_insert(Ended::Stopped);
        }
    }

    fn serve(&mut self, place: Place, event: Ready) {
        let Some(mut connection) = self.take(place) else { return };
        if event.writable {
            connection.flush();
        }
        if event.readable || event.broken {
            let mut buffer = std::mem::take(&mut self.buffer);
            let input = connection.read(&mut buffer);
            self.buffer = buffer;
            match input {
                Input::Ended => connection.broken = true,
                Input::Bytes | Input::Nothing => {}
            }
        }
        self.settle(place, connection);
    }

    /// Take a connection out of its place to work on it.
    pub(super) fn take(&mut self, place: Place) -> Option<Box<Connection>> {
        let slot = self.slots.get_mut(place.index as usize)?;
        if slot.generation == place.generation { slot.connection.take() } else { None }
    }

    /// Put it back.
    pub(super) fn put(&mut self, place: Place, connection: Box<Connection>) {
        if let Some(slot) = self.slots.get_mut(place.index as usize) {
            slot.connection = Some(connection);
        }
    }

    /// Close it; its place is free.
    pub(super) fn drop_connection(&mut self, place: Place, connection: Box<Connection>) {
        drop(connection);
        self.free.push(place.index);
    }

    /// Watch for writability only while something waits to be written.
    pub(super) fn watch(&self, place: Place, connection: &mut Connection) {
        let wanted = !connection.is_flushed();
        if wanted != connection.watches_write
            && self.poll.modify(connection.socket.as_raw_fd(), place.key(), wanted).is_ok()
        {
            connection.watches_write = wanted;
        }
    }

    /// All connections.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_deref())
    }
}
