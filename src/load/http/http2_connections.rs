//! The HTTP/2 connections of one worker: opened with the server's settings known, shared by streams, given up when idle.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::net::TcpStream;

use crate::load::clock::RunClock;
use crate::load::http::http2_reads::{Http2Reads, Noted};
use crate::load::socket::acks::{self, Acks};
use crate::load::socket::dial::Dialer;
use crate::load::socket::pool::IDLE_LIMIT_US;

/// What a server may send on one stream, and on all streams of a connection, before the client has taken
/// it. Taken bytes are given back at once, so that these windows fill only while the client thread is kept
/// from its work: 16 MiB are over 50,000 token events of one answer, and 1 GiB as many of 64 answers.
/// No stream ever waits for the client, and h2's budget for small frames, half of the latter, is
/// never used up by tokens.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
/// Streams reset by the client that are remembered.
const RESET_STREAMS: usize = 100_000;
/// The longest response head, as for HTTP/1.1.
const HEAD_LIMIT: u32 = 64 << 10;
/// A server sends its settings at once; one that does not speak HTTP/2 may wait for ever for the rest of
/// what it takes for a request.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// Stands for the limit of streams until the server's settings have come: no limit that it could set.
const UNKNOWN: usize = usize::MAX - 1;

/// Connections, each filled before the next.
pub(crate) struct Http2Connections {
    /// What all requests have in common.
    head: http::Request<()>,
    connections: Mutex<Vec<Arc<Shared>>>,
    /// Held by the one who opens a further connection: the others wait for it, and need none of their own.
    opening: tokio::sync::Mutex<()>,
    greeting_limit: Duration,
}

/// One connection.
struct Shared {
    sender: SendRequest<Bytes>,
    reads: Arc<Http2Reads>,
    /// None where it is no TCP.
    socket: Option<Arc<TcpStream>>,
    /// Places taken.
    streams: AtomicUsize,
    /// When the last place became free, µs.
    idle_since_us: AtomicU64,
}

/// A place for one stream; it is free again when this is dropped.
pub(crate) struct Http2Stream {
    shared: Arc<Shared>,
    clock: RunClock,
    /// The connection was opened for this request, and took so long, µs.
    pub(crate) connect_us: Option<u64>,
}

impl Http2Connections {
    /// No connection yet; `head` is cloned for each request.
    pub(crate) fn new(head: http::Request<()>) -> Http2Connections {
        Http2Connections {
            head,
            connections: Mutex::default(),
            opening: tokio::sync::Mutex::new(()),
            greeting_limit: GREETING_LIMIT,
        }
    }

    pub(crate) fn head(&self) -> &http::Request<()> {
        &self.head
    }

    /// A place on a connection that is open.
    pub(crate) fn room(&self, clock: &RunClock) -> Option<Http2Stream> {
        let mut connections = self.lock();
        connections.retain(|connection| connection.is_open());
        let shared = connections.iter().find(|connection| connection.room() > 0)?.clone();
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Some(Http2Stream { shared, clock: *clock, connect_us: None })
    }

    /// A place; where there is none, on a further connection. To be called in a runtime, which drives it.
    pub(crate) async fn enter(&self, dialer: &Dialer, clock: &RunClock) -> io::Result<Http2Stream> {
        let _turn = self.opening.lock().await;
        if let Some(stream) = self.room(clock) {
            return Ok(stream);
        }
        let from_us = clock.now_us();
        let shared = self.open(dialer, clock).await?;
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Ok(Http2Stream { shared, clock: *clock, connect_us: Some(clock.now_us() - from_us) })
    }

    /// Opens connections until there is room for `streams`.
    pub(crate) async fn open_for(&self, streams: usize, dialer: &Dialer, clock: &RunClock) -> io::Result<()> {
        let _turn = self.opening.lock().await;
        loop {
            let room = {
                let mut connections = self.lock();
                connections.retain(|connection| connection.is_open());
                connections.iter().fold(0usize, |sum, connection| sum.saturating_add(connection.room()))
            };
            if room >= streams {
                return Ok(());
            }
            self.open(dialer, clock).await?;
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn drop_stale(&self, now_us: u64) {
        self.lock().retain(|connection| {
            connection.streams.load(Ordering::Relaxed) > 0
                || now_us.saturating_sub(connection.idle_since_us.load(Ordering::Relaxed)) < IDLE_LIMIT_US
        });
    }

    async fn open(&self, dialer: &Dialer, clock: &RunClock) -> io::Result<Arc<Shared>> {
        let io = dialer.connect().await?.into_io();
        let (reads, socket) = (Arc::new(Http2Reads::default()), io.tcp().cloned());
        let greeting = greet(Noted::new(io, reads.clone(), *clock));
        let greeted = tokio::time::timeout(self.greeting_limit, greeting).await;
        let host = dialer.host();
        let refused = |why: String| io::Error::other(format!("{host} {why}; leave --http2 out"));
        let sender = match greeted {
            Ok(Ok(sender)) => sender,
            Ok(Err(_)) if reads.is_http1() => {
                return Err(refused("does not speak HTTP/2: it answers in HTTP/1".to_owned()));
            }
            Ok(Err(why)) => return Err(refused(format!("does not speak HTTP/2, it seems: {why}"))),
            Err(_) => {
                let seconds = self.greeting_limit.as_secs();
                let why = format!("does not speak HTTP/2, it seems: it sent no settings within {seconds} s");
                return Err(refused(why));
            }
        };
        if sender.current_max_send_streams() == 0 {
            return Err(refused("allows no request over HTTP/2 (SETTINGS_MAX_CONCURRENT_STREAMS 0)".into()));
        }
        let shared = Arc::new(Shared {
            sender,
            reads,
            socket,
            streams: AtomicUsize::new(0),
            idle_since_us: AtomicU64::new(clock.now_us()),
        });
        self.lock().push(shared.clone());
        Ok(shared)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins HTTP/2 and waits for the server's settings, which hold its limit of streams; an error says what came instead.
async fn greet(io: Noted) -> Result<SendRequest<Bytes>, String> {
    let (sender, mut connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_LIMIT)
        .initial_max_send_streams(UNKNOWN)
        .enable_push(false)
        // What a server had on its way when a stream was reset (a timeout, the end of the run) comes for
        // streams that are forgotten: no reason to give up all others of the connection.
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(None)
        .handshake::<_, Bytes>(io)
        .await
        .map_err(|error| error.to_string())?;
    poll_fn(|context| match Pin::new(&mut connection).poll(context) {
        Poll::Ready(Ok(())) => Poll::Ready(Err("it closed the connection".to_owned())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
        Poll::Pending if sender.current_max_send_streams() == UNKNOWN => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
    })
    .await?;
    // Its streams hear of its end themselves.
    tokio::spawn(connection);
    Ok(sender)
}

impl Shared {
    /// It takes requests: it has not failed, and the server has not said that it will end.
    fn is_open(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        !matches!(self.sender.clone().poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    /// Places that are free, by the limit that the server has set last.
    fn room(&self) -> usize {
        self.sender.current_max_send_streams().saturating_sub(self.streams.load(Ordering::Relaxed))
    }
}

impl Http2Stream {
    pub(crate) fn sender(&self) -> SendRequest<Bytes> {
        self.shared.sender.clone()
    }

    pub(crate) fn reads(&self) -> &Http2Reads {
        &self.shared.reads
    }

    /// Sets when what the connection receives is acknowledged: from now on, and after each write.
    pub(crate) fn set_acks(&self, acks: Acks) {
        self.shared.reads.set_acks(acks);
        if let Some(socket) = &self.shared.socket {
            acks::set(socket, acks);
        }
    }

    /// Sets when what comes after the next writes is acknowledged; to put it off begins at once, since the answer of a
    /// fast server is there before the next call.
    pub(crate) fn prepare_acks(&self, acks: Acks) {
        match acks {
            Acks::Delayed => self.set_acks(acks),
            Acks::Quick => self.shared.reads.set_acks(acks),
        }
    }

    /// Its stream is the only one of the connection: what is sent and acknowledged there is its own.
    pub(crate) fn is_alone(&self) -> bool {
        self.shared.streams.load(Ordering::Relaxed) == 1
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.shared.idle_since_us.store(self.clock.now_us(), Ordering::Relaxed);
        self.shared.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::job::base_url;
    use crate::load::tests::engine::{closed, job};
    use crate::load::tests::server::{Counts, Reply, Server};

    async fn dialer(url: &str) -> Dialer {
        let mut wire = job(url, closed()).http;
        wire.http2 = true;
        Dialer::new(&base_url(url).unwrap(), &wire).await.unwrap()
    }

    fn none() -> Http2Connections {
        Http2Connections::new(http::Request::new(()))
    }

    #[tokio::test]
    async fn those_who_find_no_room_together_share_the_connection_that_the_first_one_opens() {
        let server = Server { most_streams: Some(2), ..Server::answering(Reply::whole()) };
        let url = server.serve().await;
        let (dialer, clock, connections) = (dialer(&url).await, RunClock::start(), none());
        let enter = || connections.enter(&dialer, &clock);
        let (a, b, c) = tokio::join!(enter(), enter(), enter());
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        let opened: Vec<bool> = [&a, &b, &c].map(|stream| stream.connect_us.is_some()).to_vec();
        assert_eq!(opened, [true, false, true]);
        let last = connections.room(&clock).unwrap();
        assert!(connections.room(&clock).is_none(), "two connections of two streams");
        drop(a);
        assert!(connections.room(&clock).unwrap().connect_us.is_none(), "a place that became free");
        assert_eq!(Counts::get(&server.counts.connections), 2);
        drop((b, c, last));
        connections.open_for(4, &dialer, &clock).await.unwrap();
        assert_eq!(Counts::get(&server.counts.connections), 2, "there is room");
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_before_the_server_would_and_one_in_use_is_not() {
        let server = Server { most_streams: Some(1), ..Server::answering(Reply::whole()) };
        let url = server.serve().await;
        let (dialer, clock, connections) = (dialer(&url).await, RunClock::start(), none());
        connections.open_for(2, &dialer, &clock).await.unwrap();
        let held = connections.room(&clock).unwrap();
        connections.drop_stale(clock.now_us());
        assert_eq!(connections.lock().len(), 2);
        connections.drop_stale(clock.now_us() + IDLE_LIMIT_US);
        assert_eq!(connections.lock().len(), 1);
        drop(held);
        connections.drop_stale(clock.now_us() + IDLE_LIMIT_US);
        assert_eq!(connections.lock().len(), 0);
        assert!(server.counts.all_closed().await);
    }

    #[tokio::test]
    async fn a_server_that_allows_no_stream_or_does_not_greet_is_no_endless_wait() {
        let closed = Server { most_streams: Some(0), ..Server::answering(Reply::whole()) };
        let (dialer_of_closed, clock) = (dialer(&closed.serve().await).await, RunClock::start());
        let error = none().enter(&dialer_of_closed, &clock).await.err().unwrap().to_string();
        assert!(error.contains("SETTINGS_MAX_CONCURRENT_STREAMS 0"), "{error}");
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let hasty = Http2Connections { greeting_limit: Duration::from_millis(50), ..none() };
        let error = hasty.enter(&dialer(&url).await, &clock).await.err().unwrap().to_string();
        assert!(error.contains("sent no settings") && error.contains("leave --http2 out"), "{error}");
    }
}
