//! What the server says of itself: its models, what it counted, and what is sensed while a run goes.

mod counters;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fake_proc;
pub mod gpu;
mod histograms;
mod host;
mod listener;
mod machine;
mod others;
mod process_stat;
pub mod prometheus;
mod reading;
mod sampler;
mod server_page;
mod tree;

pub use counters::{ServerCounters, server_counters};
pub use listener::{at_urls, some_here};
pub use machine::Machine;
pub use process_stat::ProcessId;
pub use reading::Reading;
pub use sampler::{Sampler, Sensor};
pub use server_page::ServerPage;
pub use tree::ServerProcesses;
