//! The load engine against servers that are not the simulator.

pub(crate) mod answers;
pub(crate) mod engine;
pub(crate) mod http2;
pub(crate) mod server;
pub(crate) mod stalls;
pub(crate) mod tls;
mod turns;
