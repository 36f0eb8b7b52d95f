//! The guard: a process of its own that is parent of all servers and outlives a killed harness by a moment.
//!
//! ```text
//! harness ──requests──► guard ──fork──► server ──► its own children
//!    ▲ ────replies────── │ single-threaded, own session, child subreaper
//! ```
//! The pipe to the harness is its life line: when it closes, for whatever reason, every descendant is killed.

mod client;
mod family;
mod guarded;
mod keeper;
mod protocol;
mod signals;
mod state;

pub use client::{Guard, ServerHandle, View};
pub use family::{kill_family, living_family, mark};
pub use keeper::guard_main;
pub use protocol::{Container, Ended, Launch, Refused};
pub use state::{KeptServer, StateFile, Unread};
