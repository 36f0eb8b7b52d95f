//! A pretend engine whose true timings are known: it speaks the wires of vLLM, SGLang, llama.cpp and TGI,
//! and those of Triton and others, keeps what truly happened, and goes wrong on demand.
//!
//! It shares no type with the client: it writes its JSON itself, so that a mistake there cannot cancel out
//! in a test. One thread, raw sockets and one heap of due times keep it from being the bottleneck.

mod connection;
mod counters;
mod dialect;
mod emit;
mod faults;
mod http;
mod parsed_request;
mod random;
mod scheduling;
mod server;
mod serving;
mod settings;
mod system;
mod text;
mod tokens;
mod truth;

pub use faults::{Fault, FaultKind};
pub use server::{Ended, SimulatorError};
pub use settings::{Engine, LengthRule, Service, Settings, Start, Wire};

/// Run a simulated engine on this thread until a signal or a fault on demand ends it. `announce` gets the
/// bound port (before the engine listens) and the pid of the orphan, if one was asked for.
pub fn run(settings: Settings, announce: impl FnOnce(u16, Option<u32>)) -> Result<Ended, SimulatorError> {
    let orphan_lifetime_s = settings.orphan_lifetime_s;
    let (mut server, port) = server::Server::bind(settings)?;
    let orphan = orphan_lifetime_s.map(system::spawn_orphan).transpose()?;
    announce(port, orphan);
    server.run()
}
