//! results/ ⇄ [`crate::schema`]: names that collide with none, files that are whole or absent, records that outlive a crash.

mod bounded;
mod find;
mod json_lines;
mod lock;
mod name;
mod past_runs;
mod read;
mod record_reader;
mod record_writer;
mod requests_csv;
mod run_id;
mod sample_reader;
mod sample_writer;
mod summary_csv;
mod summary_file;
mod summary_rows;
mod version_1;
mod writable;

pub use crate::directories::{AtomicFile, write_atomic, write_json};
pub use find::{FoundRun, FoundRuns, Unreadable, find_runs, runs_in};
pub use json_lines::ClosedLines;
pub use lock::Patience;
pub use name::{RunFiles, check_run_id, take_file};
pub use past_runs::{PastRun, past_runs};
pub use read::{read_comparison, read_environment, read_plan, read_run};
pub use record_reader::{CRASHED, RecordReader, saved_records};
pub use record_writer::RecordWriter;
pub use requests_csv::read_ttft_ms;
pub use run_id::{TakenId, take_directory};
pub use sample_reader::{ReadSamples, read_samples};
pub use sample_writer::SampleWriter;
pub use summary_csv::{Put, SIMULATED_FILE, SUMMARY_FILE, Standing, keep_rows, put_rows, write_table};
pub use summary_rows::{SummaryRecord, SummaryRecords, summary_records, with_older_files};
pub use writable::{check_directory, check_writable};
