//! A pretend engine whose true timings are known: it speaks the wires of vLLM, SGLang, llama.cpp and TGI,
//! keeps what truly happened, and goes wrong on demand.
//!
//! It shares no type with the client: it writes its JSON itself, so that a mistake there cannot cancel out
//! in a test. One thread, raw sockets and one heap of due times keep it from being the bottleneck.

mod ask;
mod connection;
mod counters;
mod faults;
mod http;
mod random;
mod scheduling;
mod server;
mod serving;
mod settings;
mod system;
mod text;
mod tokens;
mod truth;
mod wire;

use std::net::Ipv4Addr;

pub use faults::{Fault, FaultKind};
pub use server::Ended;
pub use settings::{Engine, LengthRule, Service, Settings, Start};

/// Why a simulated engine cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address cannot be had.
    #[error("cannot bind {host}:{port}: {source}; choose another --port, or 0 for any free one")]
    Bind {
        /// As asked for.
        host: Ipv4Addr,
        /// As asked for.
        port: u16,
        /// The system's word.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("the simulator's loop failed: {0}")]
    System(#[from] std::io::Error),
}

/// Run a simulated engine on this thread until a signal or a fault on demand ends it. `announce` gets the
/// bound port (before the engine listens) and the pid of the orphan, if one was asked for.
pub fn run(settings: Settings, announce: impl FnOnce(u16, Option<u32>)) -> Result<Ended, SimulatorError> {
    let orphan_lifetime_s = settings.orphan_lifetime_s;
    let (mut server, port) = server::Server::bind(settings)?;
    let orphan = orphan_lifetime_s.map(system::spawn_orphan).transpose()?;
    announce(port, orphan);
    server.run()
}
