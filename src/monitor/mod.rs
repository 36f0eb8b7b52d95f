//! What the server says of itself: its models, and what it counted meanwhile.

mod client;
mod counters;

pub use client::{client, listed_models};
pub use counters::{ServerCounters, server_counters};
