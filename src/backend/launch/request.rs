//! What is to be launched, and what is told of it meanwhile.

use std::path::Path;
use std::time::Duration;

use crate::schema::target::LaunchSpec;

/// What is to be launched.
#[derive(Debug, Clone, Copy)]
pub struct LaunchRequest<'a> {
    /// The target's label.
    pub label: &'a str,
    /// The run's id, part of a container's name.
    pub run_id: &'a str,
    /// How to start, prove and stop it.
    pub spec: &'a LaunchSpec,
    /// File that its output is appended to.
    pub log: &'a Path,
    /// The longest from its start to its first token.
    pub startup_timeout: Duration,
}

/// How far a launch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchEvent {
    /// It is not started yet: an earlier server's GPU memory is waited for.
    MemoryHeld {
        /// Which, and who holds it.
        what: String,
    },
    /// Its process runs.
    Starting {
        /// The process.
        pid: u32,
    },
    /// It loads; the log's last line changed.
    Loading {
        /// That line.
        log_last_line: String,
    },
    /// It is healthy and not ready yet.
    Waiting {
        /// For what: `it lists no model yet`.
        what: String,
    },
    /// It is healthy and is asked for a token.
    Probing,
    /// It is proved ready.
    Ready {
        /// Since its start.
        after: Duration,
    },
}
