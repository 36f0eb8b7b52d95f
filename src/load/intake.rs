//! What an HTTP/2 connection has read: when, whose frame came last, and how early its bytes can have come.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::clock::RunClock;
use super::polls;
use super::transport::Io;

/// The beginning of every frame: length, type, flags, stream.
const HEADER_BYTES: usize = 9;
/// The type of a frame that carries a piece of a body.
const DATA: u8 = 0;

/// A connection's reads, as its streams see them.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    state: Mutex<State>,
}

/// What a stream finds of the last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// When it returned, µs: before any frame in it was looked at.
    pub(crate) at_us: u64,
    /// The stream whose body it ended with; none where its last bytes are something else, or not a whole frame.
    pub(crate) newest_stream: Option<u32>,
    /// No byte of the frames that are found now came earlier, µs.
    pub(crate) earliest_us: u64,
}

#[derive(Debug, Default)]
struct State {
    frames: Frames,
    at_us: u64,
    earliest_us: u64,
    /// What the thread's waits proved at the last read, µs.
    proven_us: u64,
    /// The last wait began with the beginning of a frame, or of a TLS record, already here.
    began_before: bool,
}

impl Intake {
    /// The last read.
    pub(crate) fn reading(&self) -> Reading {
        let state = self.lock();
        Reading {
            at_us: state.at_us,
            newest_stream: state.frames.newest_stream(),
            earliest_us: state.earliest_us,
        }
    }

    /// The other side began as an HTTP/1 server does.
    pub(crate) fn is_http1(&self) -> bool {
        self.lock().frames.is_http1
    }

    /// A read returned `bytes` at `now_us`; the thread's waits prove `proven_us` of what it found.
    fn took(&self, bytes: &[u8], now_us: u64, proven_us: u64) {
        let mut state = self.lock();
        if proven_us != state.proven_us {
            // The first read after a wait: what completes a frame begun earlier proves nothing of its beginning.
            state.proven_us = proven_us;
            if !state.began_before {
                state.earliest_us = proven_us;
            }
        }
        state.at_us = now_us;
        state.frames.follow(bytes);
    }

    /// All that there was has been read; `whole`: nothing of a further TLS record is among it.
    fn emptied(&self, whole: bool) {
        let mut state = self.lock();
        state.began_before = !(whole && state.frames.at_seam());
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
    begun: bool,
    is_http1: bool,
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            let taken = (HEADER_BYTES - self.held).min(bytes.len());
            self.header[self.held..self.held + taken].copy_from_slice(&bytes[..taken]);
            self.held += taken;
            bytes = &bytes[taken..];
            if self.held == HEADER_BYTES {
                self.is_http1 |= !self.begun && self.header.starts_with(b"HTTP/");
                self.begun = true;
                let [high, middle, low, ..] = self.header;
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.held = 0;
            }
        }
    }

    /// Nothing of a further frame has come.
    fn at_seam(&self) -> bool {
        self.held == 0 && self.left == 0
    }

    fn newest_stream(&self) -> Option<u32> {
        let [_, _, _, kind, _, stream @ ..] = self.header;
        // The first bit is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        (self.begun && self.at_seam() && kind == DATA).then_some(stream)
    }
}

/// The connection beneath HTTP/2, whose reads are noted before anything is made of them.
pub(crate) struct Noted {
    io: Io,
    intake: Arc<Intake>,
    clock: RunClock,
}

impl Noted {
    pub(crate) fn new(io: Io, intake: Arc<Intake>, clock: RunClock) -> Noted {
        Noted { io, intake, clock }
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        match &polled {
            Poll::Pending => self.intake.emptied(self.io.at_seam()),
            Poll::Ready(Ok(())) => {
                self.intake.took(&buffer.filled()[before..], self.clock.now_us(), polls::earliest_us());
            }
            Poll::Ready(Err(_)) => {}
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
        Pin::new(&mut self.io).poll_write(context, bytes)
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

    #[test]
    fn frames_end_where_they_end_wherever_they_are_cut() {
        let frames = [frame(4, 0, b""), frame(DATA, 5, b"body"), frame(1, 7, &[9; 300]), frame(DATA, 9, b"")];
        let newest = [None, Some(5), None, Some(9)];
        let bytes = frames.concat();
        for cut in 0..=bytes.len() {
            let mut seen = Frames::default();
            seen.follow(&bytes[..cut]);
            let mut end = 0;
            let ended = frames.iter().position(|frame| {
                end += frame.len();
                end == cut
            });
            assert_eq!(seen.newest_stream(), ended.and_then(|at| newest[at]), "cut at {cut}");
            assert_eq!(seen.at_seam(), cut == 0 || ended.is_some(), "cut at {cut}");
            seen.follow(&bytes[cut..]);
            assert_eq!(seen.newest_stream(), Some(9), "cut at {cut}");
            assert!(!seen.is_http1);
        }
    }

    #[test]
    fn a_server_that_answers_in_http_1_is_known_by_its_first_bytes() {
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"HTTP/1.0 505 \r\n"] {
            let mut seen = Frames::default();
            answer.chunks(2).for_each(|piece| seen.follow(piece));
            assert!(seen.is_http1);
        }
        let mut later = Frames::default();
        later.follow(&[&frame(4, 0, b"")[..], b"HTTP/1.1 "].concat());
        assert!(!later.is_http1, "only what comes first tells");
    }

    #[test]
    fn a_frame_that_began_before_a_wait_is_not_bounded_by_it() {
        let intake = Intake::default();
        let (one, two) = (frame(DATA, 1, b"one"), frame(DATA, 3, b"two"));
        intake.took(&one, 1_000, 900);
        intake.emptied(true);
        let first = Reading { at_us: 1_000, newest_stream: Some(1), earliest_us: 900 };
        assert_eq!(intake.reading(), first);
        // The next one comes in two halves, with a wait between.
        intake.took(&two[..10], 2_000, 1_900);
        intake.emptied(true);
        assert_eq!(intake.reading().newest_stream, None);
        intake.took(&two[10..], 3_000, 2_900);
        intake.took(&one, 3_010, 2_900);
        intake.emptied(true);
        let halved = Reading { at_us: 3_010, newest_stream: Some(1), earliest_us: 1_900 };
        assert_eq!(intake.reading(), halved);
        // So does one whose TLS record was begun.
        intake.took(&one, 4_000, 3_900);
        assert_eq!(intake.reading().earliest_us, 3_900);
        intake.emptied(false);
        intake.took(&two, 5_000, 4_900);
        assert_eq!(intake.reading().earliest_us, 3_900);
    }
}
