//! What the server counted meanwhile, read from its own metrics page.

mod counters;

pub use counters::{ServerCounters, server_counters};
