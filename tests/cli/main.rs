//! The real binary against the pretend engine: one sentence a test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asking;
mod benching;
mod comparing;
mod containers;
mod failing;
mod http2;
mod interrupting;
mod killing;
mod place;
mod refusing;
mod secrets;
mod starting;
mod stopping;
mod watching;
