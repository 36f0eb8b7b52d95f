//! The load engine against servers that are not the simulator.

pub(crate) mod answers;
mod ends;
pub(crate) mod engine;
mod fuzz;
mod growing;
pub(crate) mod http2;
mod nagle;
pub(crate) mod server;
mod shares;
pub(crate) mod stalls;
pub(crate) mod tls;
mod turns;
