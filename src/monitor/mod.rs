//! What the server says of itself: its models, and what it counted meanwhile.

mod counters;

pub use counters::{ServerCounters, server_counters};
