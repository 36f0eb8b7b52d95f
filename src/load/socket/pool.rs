//! Idle connections of one worker: one policy for every backend.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::load::socket::stamped::Connection;

/// Servers close idle connections (uvicorn after 5 s); ours are dropped before that.
pub(crate) const IDLE_LIMIT_US: u64 = 3_500_000;

/// A used connection that is found closed so soon was closed by its answer, and not for idling.
const AT_ONCE_US: u64 = 1_000_000;

/// The connection used last is taken first. Once a server was seen to close a connection right after
/// an answer without having said so (llama-server does after each stream), used ones are not kept:
/// sending on one would be a race with the close.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<(Connection, u64)>>,
    closes_after_answer: AtomicBool,
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

    /// Learns from a connection that the server has closed `idle_us` after it was put here.
    pub(crate) fn saw_closed(&self, connection: &Connection, idle_us: u64) {
        if connection.used && idle_us < AT_ONCE_US {
            self.closes_after_answer.store(true, Ordering::Relaxed);
        }
    }

    /// Drops what has been idle for too long.
    pub(crate) fn drop_stale(&self, now_us: u64) {
        self.lock().retain(|(_, since_us)| now_us.saturating_sub(*since_us) < IDLE_LIMIT_US);
    }

    /// Connections held.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
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
