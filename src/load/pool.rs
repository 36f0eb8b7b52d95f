//! Idle connections of one worker: one policy for every backend.

use std::sync::{Mutex, PoisonError};

use super::transport::Connection;

/// Servers close idle connections (uvicorn after 5 s); ours are dropped before that.
pub(crate) const IDLE_LIMIT_US: u64 = 3_500_000;

/// The connection used last is taken first.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<(Connection, u64)>>,
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
                connection.pooled = true;
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, connection: Connection, now_us: u64) {
        self.lock().push((connection, now_us));
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
