//! Idle connections of one worker: one policy for every backend.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::transport::Connection;

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
