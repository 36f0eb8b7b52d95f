//! Comparison → what people see: terminal, tables, pictures, Markdown. Pure: no file, no clock, no terminal is touched.

pub mod calibration;
pub mod caveat;
pub mod chart;
pub mod client;
pub mod csv;
pub mod limit;
pub mod markdown;
mod missing;
pub mod number;
pub mod objective;
pub mod rows;
mod sweep;
pub mod terminal;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
