//! results/ ⇄ [`crate::schema`]: names that collide with none, files that are whole or absent, records that outlive a crash.

mod find;
mod name;
mod read;
mod record_reader;
mod record_writer;
mod summary_csv;

pub use crate::directories::{AtomicFile, write_atomic, write_json};
pub use find::{FoundRun, FoundRuns, Unreadable, find_runs};
pub use name::{RunFiles, check_writable, file_stamp, take_directory, take_file};
pub use read::{read_comparison, read_plan, read_run};
pub use record_reader::{CRASHED, RecordReader};
pub use record_writer::RecordWriter;
pub use summary_csv::{Appended, SIMULATED_FILE, SUMMARY_FILE, append_summary, summary_holds, write_table};
