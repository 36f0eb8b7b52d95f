//! Comparison → what people see: terminal, tables, pictures, Markdown. Pure: no file, no clock, no terminal is touched.

pub mod answer;
pub mod calibration;
pub mod caveat;
mod caveat_words;
pub mod chart;
pub mod check;
pub mod client;
pub mod csv;
pub mod dataset_stats;
mod doubts;
pub mod fairness;
pub mod github;
mod gpu;
mod gpu_caveat;
pub mod html;
pub mod junit;
pub mod knee;
pub mod limit;
pub mod lpg;
pub mod machine;
pub mod markdown;
mod missing;
pub mod number;
pub mod objective;
pub mod prometheus;
pub mod rows;
pub mod served;
pub mod slices;
mod sweep;
pub mod terminal;
pub mod trend;
pub mod verdicts;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod answer_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod fixture_curves;
#[cfg(test)]
mod fixture_machine;
#[cfg(test)]
mod tests;
