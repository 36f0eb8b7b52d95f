//! Idle connections of one worker: one policy for every backend.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::load::http::tail::Tail;
use crate::load::socket::stamped::Connection;

/// Servers close idle connections (uvicorn after 5 s); ours are dropped before that.
pub(crate) const IDLE_LIMIT_US: u64 = 3_500_000;

/// A used connection that is found closed so soon was closed by its answer, and not for idling.
const AT_ONCE_US: u64 = 1_000_000;

/// A response's end that comes so long after its answer's will not come soon: the server holds responses open.
const HELD_OPEN_US: u64 = 250_000;

/// A request waits so long for the end of the response before it. It is mostly there by then; a connection that is
/// opened instead takes about as long.
const TAIL_WAIT: Duration = Duration::from_millis(2);

/// The connection used last is taken first; then that whose answer ended first, and whose response may have ended
/// meanwhile. Once a server was seen to close a connection right after
/// an answer without having said so (llama-server does after each stream), used ones are not kept:
/// sending on one would be a race with the close.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<(Connection, u64)>>,
    tails: Mutex<VecDeque<Tail>>,
    closes_after_answer: AtomicBool,
    /// A response's end was waited for in vain: none is from then on.
    ends_late: AtomicBool,
    /// Responses are held open: they are not kept.
    holds_open: AtomicBool,
}

impl Pool {
    /// An idle connection that the server has not closed.
    pub(crate) fn take(&self, now_us: u64) -> Option<Connection> {
        let mut idle = self.lock();
        while let Some((mut connection, since_us)) = idle.pop() {
            if now_us.saturating_sub(since_us) >= IDLE_LIMIT_US {
                // All below it are older.
                idle.clear();
                return None;
            }
            if connection.is_quiet() {
                connection.pooled_at_us = Some(since_us);
                return Some(connection);
            }
            self.saw_closed(&connection, now_us.saturating_sub(since_us));
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, connection: Connection, now_us: u64) {
        if !(connection.used && self.closes_after_answer.load(Ordering::Relaxed)) {
            self.lock().push((connection, now_us));
        }
    }

    /// Keeps a connection whose response has not ended with its answer.
    pub(crate) fn put_tail(&self, tail: Tail) {
        if !self.holds_open.load(Ordering::Relaxed) && !self.closes_after_answer.load(Ordering::Relaxed) {
            self.tails().push_back(tail);
        }
    }

    /// A connection whose response has ended after its answer, or does so now.
    pub(crate) async fn take_tail(&self, now_us: u64) -> Option<Connection> {
        loop {
            let mut tail = self.tails().pop_front()?;
            let since_us = tail.since_us();
            let age_us = now_us.saturating_sub(since_us);
            let waits = !self.ends_late.load(Ordering::Relaxed);
            let ended = match poll_fn(|context| Poll::Ready(tail.poll_end(context))).await {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending if waits && age_us < HELD_OPEN_US => {
                    tokio::time::timeout(TAIL_WAIT, poll_fn(|context| tail.poll_end(context))).await.ok()
                }
                Poll::Pending => None,
            };
            match ended {
                Some(true) if age_us < IDLE_LIMIT_US => {
                    let mut connection = tail.into_connection();
                    if connection.is_quiet() {
                        connection.pooled_at_us = Some(since_us);
                        return Some(connection);
                    }
                    self.saw_closed(&connection, age_us);
                }
                Some(_) => {}
                None => {
                    self.ends_late.store(true, Ordering::Relaxed);
                    if age_us < HELD_OPEN_US {
                        self.tails().push_front(tail);
                    } else {
                        self.holds_open.store(true, Ordering::Relaxed);
                        self.tails().clear();
                    }
                    return None;
                }
            }
        }
    }

    /// Makes idle connections of those whose response has ended by now.
    pub(crate) fn settle_tails(&self, context: &mut Context<'_>, now_us: u64) {
        let waiting = std::mem::take(&mut *self.tails());
        for mut tail in waiting {
            match tail.poll_end(context) {
                Poll::Ready(true) => self.put(tail.into_connection(), now_us),
                Poll::Ready(false) => {}
                Poll::Pending => self.tails().push_back(tail),
            }
        }
    }

    /// Learns from a connection that the server has closed `idle_us` after it was put here.
    pub(crate) fn saw_closed(&self, connection: &Connection, idle_us: u64) {
        if connection.used && idle_us < AT_ONCE_US {
            self.closes_after_answer.store(true, Ordering::Relaxed);
        }
    }

    /// Drops what has been idle for too long.
    pub(crate) fn drop_stale(&self, now_us: u64) {
        self.lock().retain(|(_, since_us)| now_us.saturating_sub(*since_us) < IDLE_LIMIT_US);
        self.tails().retain(|tail| now_us.saturating_sub(tail.since_us()) < IDLE_LIMIT_US);
    }

    /// Connections held.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn tails(&self) -> std::sync::MutexGuard<'_, VecDeque<Tail>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Connection, u64)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::load::socket::stamped::StampedTcp;

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Connection::plain(StampedTcp::new(client)), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn an_idle_connection_is_dropped_before_the_server_would_close_it() {
        let pool = Pool::default();
        let (first, _first_server) = pair().await;
        let (second, _second_server) = pair().await;
        pool.put(first, 0);
        pool.put(second, 1_000_000);
        // Looked at once a second: what was kept then is dropped the second after, still within 5 s.
        pool.drop_stale(IDLE_LIMIT_US - 1);
        assert_eq!(pool.len(), 2);
        pool.drop_stale(IDLE_LIMIT_US + 999_999);
        assert_eq!(pool.len(), 1);
        const { assert!(IDLE_LIMIT_US + 1_000_000 < 5_000_000) };
        assert!(pool.take(1_000_000 + IDLE_LIMIT_US).is_none(), "too old to be sent on");
        assert_eq!(pool.len(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closed_or_spoke_on_is_not_taken() {
        let pool = Pool::default();
        let (open, _server) = pair().await;
        let (closed, server) = pair().await;
        let (spoken_on, mut talker) = pair().await;
        drop(server);
        tokio::io::AsyncWriteExt::write_all(&mut talker, b"HTTP/1.1 408 Request Timeout").await.unwrap();
        for connection in [open, closed, spoken_on] {
            pool.put(connection, 0);
        }
        assert_eq!(pool.take(10).and_then(|connection| connection.pooled_at_us), Some(0));
        assert!(pool.take(10).is_none());
    }
}
