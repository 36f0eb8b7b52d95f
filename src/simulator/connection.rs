//! One client connection: bytes in with their stamps, bytes out with theirs.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::http::Reply;
use super::system;
use super::tokens::Active;
use super::truth::Write;

/// Input kept beyond one request while an answer runs.
const INPUT_LIMIT: usize = 80 * 1024 * 1024;

/// When bytes came, on CLOCK_MONOTONIC in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// They reached the socket, or the read returned where the kernel gave no stamp.
    pub arrival_ns: u64,
    /// The read returned.
    pub read_ns: u64,
    /// The kernel's stamp.
    pub kernel: bool,
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC at the read, in ns.
    pub offset_ns: i64,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// New bytes.
    Bytes,
    /// Nothing now.
    Nothing,
    /// The client is gone.
    Ended,
}

/// One client connection.
pub struct Connection {
    /// The socket, non-blocking.
    pub socket: OwnedFd,
    /// From 0 in the order of acceptance.
    pub number: u64,
    /// Bytes read and not yet taken.
    pub input: Vec<u8>,
    /// Of the first bytes in `input`.
    pub first: Option<Stamp>,
    /// Of the newest bytes in `input`.
    pub last: Option<Stamp>,
    /// `100 Continue` was sent for the request that comes in.
    pub continued: bool,
    /// The answer that is being generated.
    pub active: Option<Box<Active>>,
    /// An answer that is given later.
    pub later: Option<Reply>,
    /// The connection ends when everything is written.
    pub close: bool,
    /// The client is gone or the socket broke.
    pub broken: bool,
    /// Counts answers, so that an old idle timer does not close a busy connection.
    pub answers: u64,
    /// Writability is watched.
    pub watches_write: bool,
    output: Vec<u8>,
    output_from: usize,
    written: u64,
    unstamped: VecDeque<(u64, Write)>,
}

impl Connection {
    /// A connection just accepted.
    pub fn new(socket: OwnedFd, number: u64) -> Self {
        Self {
            socket,
            number,
            input: Vec::new(),
            first: None,
            last: None,
            continued: false,
            active: None,
            later: None,
            close: false,
            broken: false,
            answers: 0,
            watches_write: false,
            output: Vec::new(),
            output_from: 0,
            written: 0,
            unstamped: VecDeque::new(),
        }
    }

    /// Read what is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> Input {
        let mut found = Input::Nothing;
        while self.input.len() < INPUT_LIMIT {
            match system::receive(self.socket.as_raw_fd(), buffer) {
                Ok((0, _)) => return Input::Ended,
                Ok((count, kernel)) => {
                    let stamp = stamp_of(kernel);
                    self.first.get_or_insert(stamp);
                    self.last = Some(stamp);
                    self.input.extend_from_slice(&buffer[..count]);
                    found = Input::Bytes;
                    if count < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Input::Ended,
            }
        }
        found
    }

    /// Take a whole request's bytes from the input.
    pub fn take_input(&mut self, count: usize) {
        self.input.drain(..count);
        self.first = if self.input.is_empty() { None } else { self.last };
        self.continued = false;
    }

    /// Everything is written.
    pub fn is_flushed(&self) -> bool {
        self.output_from == self.output.len()
    }

    /// Write bytes in one system call; what the socket does not take waits. `tokens` are stamped when
    /// their last byte is taken, and go to the running answer's truth.
    pub fn write(&mut self, bytes: &[u8], tokens: Option<Write>) {
        if !self.is_flushed() {
            self.output.extend_from_slice(bytes);
            let end = self.written + (self.output.len() - self.output_from) as u64;
            self.unstamped.extend(tokens.map(|write| (end, write)));
            return;
        }
        let before_ns = system::monotonic_ns();
        let taken = self.send(bytes);
        let after_ns = system::monotonic_ns();
        if taken == bytes.len() {
            if let (Some(write), Some(active)) = (tokens, self.active.as_mut()) {
                active.truth.writes.push(stamped(write, before_ns, after_ns));
            }
            return;
        }
        self.output.clear();
        self.output_from = 0;
        self.output.extend_from_slice(&bytes[taken..]);
        let end = self.written + self.output.len() as u64;
        self.unstamped.extend(tokens.map(|write| (end, write)));
    }

    /// Write what waits.
    pub fn flush(&mut self) {
        while !self.is_flushed() && !self.broken {
            let before_ns = system::monotonic_ns();
            let waiting = std::mem::take(&mut self.output);
            let taken = self.send(&waiting[self.output_from..]);
            self.output = waiting;
            self.output_from += taken;
            let after_ns = system::monotonic_ns();
            while self.unstamped.front().is_some_and(|(end, _)| *end <= self.written) {
                let Some((_, write)) = self.unstamped.pop_front() else { break };
                if let Some(active) = self.active.as_mut() {
                    active.truth.writes.push(stamped(write, before_ns, after_ns));
                }
            }
            if taken == 0 {
                return;
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        match system::send(self.socket.as_raw_fd(), bytes) {
            Ok(count) => {
                self.written += count as u64;
                count
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(_) => {
                self.broken = true;
                0
            }
        }
    }
}

fn stamped(write: Write, before_ns: u64, after_ns: u64) -> Write {
    let took_ns = u32::try_from(after_ns - before_ns).unwrap_or(u32::MAX);
    Write { before_ns, took_ns, ..write }
}

/// The kernel's realtime stamp on the monotonic clock; the time of the read where there is none.
fn stamp_of(kernel: Option<u64>) -> Stamp {
    let (read_ns, offset_ns) = (system::monotonic_ns(), system::clock_offset_ns());
    let Some(realtime) = kernel else {
        return Stamp { arrival_ns: read_ns, read_ns, kernel: false, offset_ns };
    };
    let arrival_ns = realtime.saturating_add_signed(-offset_ns).min(read_ns);
    Stamp { arrival_ns, read_ns, kernel: true, offset_ns }
}
