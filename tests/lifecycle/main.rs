//! The life of a server, with the real guard and a fake engine: after each case nothing lives, the port is free.
#![allow(missing_docs, clippy::unwrap_used)]

mod bench;
mod containers;
mod killing;
mod launching;
mod stopping;
