//! What the server says of itself: its models, what it counted, and what is sensed while a run goes.

mod counters;
pub mod gpu;
mod histograms;
pub mod prometheus;
mod reading;
mod sampler;
mod server_page;

pub use counters::{ServerCounters, server_counters};
pub use reading::Reading;
pub use sampler::{Sampler, Sensor};
pub use server_page::ServerPage;
