//! The pretend engine, as its own process: its wires, its truth, its service model, its faults.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod lifecycle;
mod raw;
mod service;
mod shape;
mod truth;
mod wires;
