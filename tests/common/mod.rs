//! What tests of the real binary share: a place to run it in, a server that is not ours, and one that is.
//!
//! Place: directory, home and PATH. Running and Ran: the harness, while it runs and after. Engine: a server of Python's.
//! Simulator: `harness simulate`, and a client that does nothing but read bytes.
#![allow(dead_code, unused_imports)] // Each test binary uses a part of it.

mod engine;
mod place;
mod processes;
mod results;
mod running;
mod simulator;

pub use engine::{Engine, command as engine_command, containers, install_docker, port_in};
pub use place::{Place, QUICK, TWO};
pub use processes::{PATIENCE, command_line, is_alive, is_stopped, signal, wait_for, with_environment};
pub use results::{header, json, lines, rows};
pub use running::{Ran, Running};
pub use simulator::{Answer, Simulator, completion, events, leave_early, monotonic_ns, request};
