//! What an HTTP/2 connection has read: when, whose frame came last, and how early its bytes can have come.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::has_budget_remaining;

use crate::load::clock::RunClock;
use crate::load::socket::acks::{self, Acks};
use crate::load::socket::stamped::Io;
use crate::load::socket::wait_bounds;

/// The beginning of every frame: length, type, flags, stream.
const HEADER_BYTES: usize = 9;
/// Types of the frames that make an answer.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// A connection's reads, as its streams see them.
#[derive(Debug, Default)]
pub(crate) struct Http2Reads {
    state: Mutex<State>,
    /// [`Acks::Delayed`] after each write.
    delayed_acks: AtomicBool,
}

/// How the frames came that a stream has not taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// Return of the read that brought the last of them, µs: before anything was made of it.
    pub(crate) at_us: u64,
    /// That read ended with a piece of this stream's body.
    pub(crate) newest: bool,
    /// None of their bytes came earlier, µs.
    pub(crate) earliest_us: u64,
}

#[derive(Debug, Default)]
struct State {
    frames: Frames,
    /// By stream.
    waiting: HashMap<u32, Reading>,
    /// When the first read began since the connection was last found empty, µs; none where there was none.
    burst_from_us: Option<u64>,
    /// No byte that is read now came earlier, µs.
    floor_us: u64,
    /// A read that began then, or a later one, found nothing more, µs.
    emptied_us: u64,
    /// Nothing of a TLS record was left behind.
    whole: bool,
    at_us: u64,
}

impl Http2Reads {
    /// How the frames of `stream` came that it takes now.
    pub(crate) fn take(&self, stream: u32) -> Reading {
        let mut state = self.lock();
        let unknown = Reading { at_us: state.at_us, newest: false, earliest_us: 0 };
        state.waiting.remove(&stream).unwrap_or(unknown)
    }

    /// Sets how what is received after a further write is acknowledged.
    pub(crate) fn set_acks(&self, acks: Acks) {
        self.delayed_acks.store(acks == Acks::Delayed, Ordering::Relaxed);
    }

    /// How what is received after a write is acknowledged.
    fn acks(&self) -> Acks {
        if self.delayed_acks.load(Ordering::Relaxed) { Acks::Delayed } else { Acks::Quick }
    }

    /// The other side began as an HTTP/1 server does.
    pub(crate) fn is_http1(&self) -> bool {
        self.lock().frames.is_http1
    }

    /// A read that began at `from_us` returned `bytes` at `now_us`. What it found came after `proven_us`,
    /// by the thread's waits, where the connection had been read empty before.
    fn took(&self, bytes: &[u8], from_us: u64, now_us: u64, proven_us: u64) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.burst_from_us.is_none() {
            state.burst_from_us = Some(from_us);
            if state.whole {
                state.floor_us = proven_us.max(state.emptied_us);
            }
        }
        state.at_us = now_us;
        let waiting = &mut state.waiting;
        let newest = state.frames.follow(bytes, state.floor_us, |stream, began_us| {
            let first = Reading { at_us: now_us, newest: false, earliest_us: began_us };
            let reading = waiting.entry(stream).or_insert(first);
            (reading.at_us, reading.newest) = (now_us, false);
        });
        if let Some(reading) = newest.and_then(|stream| waiting.get_mut(&stream)) {
            reading.newest = true;
        }
    }

    /// The connection was found empty; `whole`: nothing of a TLS record that is not complete is held back.
    fn emptied(&self, whole: bool) {
        let mut state = self.lock();
        state.whole = whole;
        if let Some(from_us) = state.burst_from_us.take() {
            state.emptied_us = from_us;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows frames through the bytes of a connection.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; HEADER_BYTES],
    held: usize,
    /// Bytes of the frame's body that have not come.
    left: usize,
    /// No byte of the frame at hand came earlier, µs.
    began_us: u64,
    begun: bool,
    is_http1: bool,
}

impl Frames {
    /// Calls `whole` with the stream of each frame that is complete now and the floor of its first byte;
    /// `floor_us` is that of `bytes`. The stream whose body they end with, where they do.
    fn follow(&mut self, mut bytes: &[u8], floor_us: u64, mut whole: impl FnMut(u32, u64)) -> Option<u32> {
        let mut newest = None;
        while !bytes.is_empty() {
            newest = None;
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = &bytes[taken..];
            } else {
                if self.held == 0 {
                    self.began_us = floor_us;
                }
                let taken = (HEADER_BYTES - self.held).min(bytes.len());
                self.header[self.held..self.held + taken].copy_from_slice(&bytes[..taken]);
                self.held += taken;
                bytes = &bytes[taken..];
                if self.held < HEADER_BYTES {
                    break;
                }
                self.held = 0;
                self.is_http1 |= !self.begun && self.header.starts_with(b"HTTP/");
                self.begun = true;
                let [high, middle, low, ..] = self.header;
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
            }
            if self.left == 0 {
                let [_, _, _, kind, _, stream @ ..] = self.header;
                // The first bit is reserved.
                let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
                if matches!(kind, DATA | HEADERS | CONTINUATION) {
                    whole(stream, self.began_us);
                }
                newest = (kind == DATA).then_some(stream);
            }
        }
        newest
    }
}

/// The connection beneath HTTP/2, whose reads are noted before anything is made of them.
pub(crate) struct Noted {
    io: Io,
    reads: Arc<Http2Reads>,
    clock: RunClock,
}

impl Noted {
    pub(crate) fn new(io: Io, reads: Arc<Http2Reads>, clock: RunClock) -> Noted {
        Noted { io, reads, clock }
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, from_us) = (buffer.filled().len(), self.clock.now_us());
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        match &polled {
            // A task that has used up its turn is told to wait too, whatever there is.
            Poll::Pending if has_budget_remaining() => self.reads.emptied(self.io.at_seam()),
            Poll::Ready(Ok(())) => {
                let bytes = &buffer.filled()[before..];
                // The kernel's stamp is not used: which frame's it is is not known.
                let proven_us = wait_bounds::bytes_came(false);
                self.reads.took(bytes, from_us, self.clock.now_us(), proven_us);
            }
            Poll::Pending | Poll::Ready(Err(_)) => {}
        }
        polled
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        if matches!(polled, Poll::Ready(Ok(_)))
            && let Some(socket) = self.io.tcp()
        {
            // The write may have made the kernel put acknowledgements off.
            acks::set(socket, self.reads.acks());
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&length[1..], &[kind, 0], &stream.to_be_bytes(), body].concat()
    }

    /// Streams of the frames that are whole, and the one that the last bytes are of.
    fn follow(frames: &mut Frames, bytes: &[u8]) -> (Vec<u32>, Option<u32>) {
        let mut whole = Vec::new();
        let newest = frames.follow(bytes, 0, |stream, _| whole.push(stream));
        (whole, newest)
    }

    #[test]
    fn frames_end_where_they_end_wherever_they_are_cut() {
        let frames = [frame(4, 0, b""), frame(DATA, 5, b"body"), frame(1, 7, &[9; 300]), frame(DATA, 9, b"")];
        let newest = [None, Some(5), None, Some(9)];
        let bytes = frames.concat();
        for cut in 1..bytes.len() {
            let mut seen = Frames::default();
            let (mut whole, last) = follow(&mut seen, &bytes[..cut]);
            let mut end = 0;
            let ended = frames.iter().position(|frame| {
                end += frame.len();
                end == cut
            });
            assert_eq!(last, ended.and_then(|at| newest[at]), "cut at {cut}");
            let (more, last) = follow(&mut seen, &bytes[cut..]);
            whole.extend(more);
            assert_eq!((whole, last, seen.is_http1), (vec![5, 7, 9], Some(9), false), "cut at {cut}");
        }
    }

    #[test]
    fn a_server_that_answers_in_http_1_is_known_by_its_first_bytes() {
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"HTTP/1.0 505 \r\n"] {
            let mut seen = Frames::default();
            for piece in answer.chunks(2) {
                follow(&mut seen, piece);
            }
            assert!(seen.is_http1);
        }
        let mut later = Frames::default();
        follow(&mut later, &[&frame(4, 0, b"")[..], b"HTTP/1.1 "].concat());
        assert!(!later.is_http1, "only what comes first tells");
    }

    fn reads() -> Http2Reads {
        let reads = Http2Reads::default();
        reads.emptied(true);
        reads
    }

    #[test]
    fn a_stream_has_the_stamp_of_the_read_that_brought_its_frames() {
        let reads = reads();
        let (one, three) = (frame(DATA, 1, b"one"), frame(DATA, 3, b"three"));
        reads.took(&[&one[..], &three].concat(), 990, 1_000, 900);
        reads.took(&one, 1_005, 1_010, 900);
        reads.emptied(true);
        // Before the streams have looked, the connection is read again.
        reads.took(&frame(DATA, 5, b"five"), 1_100, 1_110, 900);
        assert_eq!(reads.take(3), Reading { at_us: 1_000, newest: true, earliest_us: 900 });
        assert_eq!(reads.take(1), Reading { at_us: 1_010, newest: true, earliest_us: 900 });
        assert_eq!(reads.take(5), Reading { at_us: 1_110, newest: true, earliest_us: 990 });
        assert_eq!(reads.take(5), Reading { at_us: 1_110, newest: false, earliest_us: 0 }, "taken");
        // Behind it comes another's.
        reads.took(&[&one[..], &three].concat(), 2_000, 2_010, 1_900);
        assert!(!reads.take(1).newest);
    }

    #[test]
    fn a_frame_is_bounded_by_what_is_known_of_its_first_byte() {
        let reads = reads();
        let (one, three) = (frame(DATA, 1, b"one"), frame(DATA, 3, b"three"));
        reads.took(&one[..3], 1_990, 2_000, 1_900);
        reads.emptied(true);
        reads.took(&[&one[3..], &three].concat(), 2_990, 3_000, 2_900);
        reads.emptied(true);
        assert_eq!(reads.take(1), Reading { at_us: 3_000, newest: false, earliest_us: 1_900 });
        assert_eq!(reads.take(3), Reading { at_us: 3_000, newest: true, earliest_us: 2_900 });
        // What the waits prove is less than the connection's own emptiness.
        reads.took(&one, 3_500, 3_510, 2_900);
        assert_eq!(reads.take(1).earliest_us, 2_990);
        // A TLS record was begun before the wait.
        reads.emptied(false);
        reads.took(&three, 4_990, 5_000, 4_900);
        assert_eq!(reads.take(3).earliest_us, 2_990);
        // A read after one that left something behind says nothing new.
        reads.took(&one, 5_010, 5_020, 4_900);
        assert_eq!(reads.take(1).earliest_us, 2_990);
    }
}
