//! The real binary against a server that is not ours and against the pretend engine: one sentence a test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asking;
mod benching;
mod calibrating;
mod causes;
mod checking;
#[path = "../common/mod.rs"]
mod common;
mod comparing;
mod containers;
mod failing;
mod failing_rounds;
mod folder;
mod http2;
mod interrupting;
mod killing;
mod levelling;
mod manners;
mod objectives;
mod other_reports;
mod outside;
mod plans;
mod printing;
mod refusing;
mod reporting;
mod resuming;
mod schemas;
mod secrets;
mod simulating;
mod starting;
mod stopping;
mod token_counts;
mod verdicts;
mod version_1;
mod watching;
