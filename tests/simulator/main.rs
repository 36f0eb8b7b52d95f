//! The pretend engine, as its own process: its wires, its truth, its service model, its faults.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod lifecycle;
mod service;
mod shape;
mod truth;
mod wires;
