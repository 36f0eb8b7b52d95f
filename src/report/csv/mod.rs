//! Runs and requests as CSV: a column is a name with its cell, so that head and row cannot fall apart.

mod cell;
mod column;
mod gpu;
mod requests;
mod summary;

pub use gpu::gpu_table;
pub use requests::{RequestLines, requests_header};
pub use summary::{SummaryRow, summary_header, summary_row};
