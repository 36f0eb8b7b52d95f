//! The load engine against servers that are not the simulator.

pub(crate) mod answers;
pub(crate) mod engine;
pub(crate) mod http2;
mod nagle;
pub(crate) mod server;
pub(crate) mod stalls;
pub(crate) mod tls;
mod turns;
