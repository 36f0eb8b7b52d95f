//! The real client against the pretend engine, and both their books: every request in both, every fault
//! of its kind, nothing lost, nothing hung, nothing left.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
#[path = "../common/mod.rs"]
mod common;
mod conversations;
mod faults;
mod identity;
mod launched;
mod laws;
mod nagle;
mod played;
mod protocols;
mod stops;
mod tampered;

/// Whose wires the pretend engine speaks.
const ENGINES: [&str; 4] = ["vllm", "sglang", "llamacpp", "tgi"];

/// The same test on each wire, at once: most of each is waiting.
fn on_each_wire(test: impl Fn(&'static str) + Sync) {
    std::thread::scope(|scope| {
        for engine in ENGINES {
            let test = &test;
            scope.spawn(move || test(engine));
        }
    });
}
