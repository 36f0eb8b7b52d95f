//! results/ ⇄ [`crate::schema`]: names that collide with none, files that are whole or absent, records that outlive a crash.

mod find;
mod json_lines;
mod name;
mod past_runs;
mod read;
mod record_reader;
mod record_writer;
mod sample_reader;
mod sample_writer;
mod summary_csv;
mod version_1;

pub use crate::directories::{AtomicFile, write_atomic, write_json};
pub use find::{FoundRun, FoundRuns, Unreadable, find_runs, runs_in};
pub use name::{RunFiles, check_writable, take_directory, take_file};
pub use past_runs::{PastRun, past_runs};
pub use read::{read_comparison, read_environment, read_plan, read_run};
pub use record_reader::{CRASHED, RecordReader};
pub use record_writer::RecordWriter;
pub use sample_reader::{ReadSamples, read_samples};
pub use sample_writer::SampleWriter;
pub use summary_csv::{
    Appended, SIMULATED_FILE, SUMMARY_FILE, append_summary, keep_rows, summary_holds, write_table,
};
