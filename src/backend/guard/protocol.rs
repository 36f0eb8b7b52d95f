//! What harness and guard say to each other: JSON, one message a line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backend::process::Process;

/// From the harness to the guard.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Start a server.
    Launch(Box<Launch>),
    /// SIGTERM to the server's own process alone: TGI's launcher must get it alone.
    Terminate(u64),
    /// SIGKILL to every process of the server, until none is left, and remove its container.
    Kill(u64),
    /// The server has loaded: new processes are rare from now on, look less often.
    Settled(u64),
}

/// A server to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// The harness's number for it.
    pub id: u64,
    /// Its label, for the state file.
    pub label: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub directory: PathBuf,
    /// File that its stdout and stderr are appended to.
    pub log: PathBuf,
    /// Its port, for the state file.
    pub port: u16,
    /// The container that the program starts, removed with it.
    pub container: Option<Container>,
    /// Taken out of the log at the end.
    pub secrets: Vec<String>,
    /// The launch's own directory: the guard removes it where the harness no longer can.
    #[serde(default)]
    pub scratch: Option<PathBuf>,
}

/// A container, and the program that removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The docker client.
    pub docker: PathBuf,
    /// The container's name.
    pub name: String,
}

/// From the guard to the harness.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The guard is ready.
    Hello {
        /// The guard itself.
        guard: Process,
        /// Why no state file can be written, if so.
        state_error: Option<String>,
    },
    /// The server's process runs.
    Launched {
        /// Its number.
        id: u64,
        /// Its process.
        process: Process,
    },
    /// The server could not be started.
    Refused {
        /// Its number.
        id: u64,
        /// Why.
        why: Refused,
    },
    /// The server's own process ended; children of it may live.
    Exited {
        /// Its number.
        id: u64,
        /// How.
        how: Ended,
    },
    /// The processes that the server now consists of.
    Members {
        /// Its number.
        id: u64,
        /// All of them, itself first.
        processes: Vec<Process>,
    },
    /// Nothing of the server lives.
    Gone {
        /// Its number.
        id: u64,
        /// How many processes got a SIGKILL.
        killed: usize,
    },
}

/// Why a program could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The program, or the interpreter that it names, does not exist; the system's words.
    NotFound(String),
    /// It exists and does not run; the system's words.
    NotRunnable(String),
    /// There is no guard any more that could start it.
    GuardDied,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With this exit code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
    /// Its guard died, and it was killed in consequence.
    GuardDied,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}{}", signal_name(*signal)),
            Self::GuardDied => {
                write!(f, "was killed because the harness's guard process, its parent, had died")
            }
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    }
}
