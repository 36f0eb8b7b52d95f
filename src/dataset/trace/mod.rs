//! Traces of requests that were seen somewhere: read, counted, and made into what is played. One file a format.

mod aibrix;
mod azure;
mod bailian;
mod burstgpt;
mod cells;
mod clock;
mod figures;
mod formats;
mod lines;
mod mooncake;
mod order;
mod ragpulse;
mod read;
mod replay;
mod rows;
mod table;
mod text;
mod ticks;
mod vidur;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fuzz;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use figures::{TraceCounted, trace_stats};
pub use replay::{Replay, replay, trace_format};
