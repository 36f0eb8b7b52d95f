//! The life of a server, with the real guard and a foreign server: after each case nothing lives, the port is free.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod bench;
#[path = "../common/mod.rs"]
mod common;
mod containers;
mod killing;
mod launching;
mod stopping;
mod waiting;
