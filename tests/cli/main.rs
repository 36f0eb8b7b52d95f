//! The real binary against the pretend engine: one sentence a test.

mod comparing;
mod failing;
mod place;
mod starting;
mod stopping;
