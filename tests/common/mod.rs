//! What tests of the real binary share: a place to run it in, a server that is not ours, and one that is.
//!
//! Each test binary takes it with `#[path]` and uses a part of it, so nothing here is unused by all.
#![allow(dead_code, unused_imports)]

mod engine;
mod place;
mod processes;
mod results;
mod running;
mod simulator;

pub use engine::{Engine, command as engine_command, containers, install_docker, port_in};
pub use place::{Place, QUICK, TWO};
pub use processes::{PATIENCE, command_line, has_in_environment, is_alive, is_stopped, signal, wait_for};
pub use results::{header, json, lines, rows};
pub use running::{Ran, Running};
pub use simulator::{Answer, Simulator, completion, events, leave_early, monotonic_ns, request};
