//! The raw records of a run, written while it goes: what a crash loses is at most a second.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::schema::files::{EngineFigures, RecordsFooter, RecordsHeader};
use crate::schema::record::RequestRecord;
use crate::schema::summary::ServerCounts;

use super::json_lines::LineWriter;
use super::name::RunFiles;

/// A record may wait so long in memory before it is given to the system.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Writes `…_records.jsonl`: the header, one line a record, the footer.
#[derive(Debug)]
pub struct RecordWriter {
    files: RunFiles,
    lines: LineWriter,
    records: u64,
    flushed_at: Instant,
}

impl RecordWriter {
    /// Starts the file of a run whose names were taken; the header is on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(files: &RunFiles, header: &RecordsHeader) -> Result<Self> {
        let lines = LineWriter::create(&files.records(), header)?;
        Ok(RecordWriter { files: files.clone(), lines, records: 0, flushed_at: Instant::now() })
    }

    /// Writes a record, and flushes where the last flush is a second old.
    ///
    /// # Errors
    /// The file cannot be written: disk full.
    pub fn write(&mut self, record: &RequestRecord) -> Result<()> {
        self.lines.write(record)?;
        self.records += 1;
        if self.flushed_at.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Gives what waits to the system. Called at least once a second, it keeps the promise that a record
    /// is on disk a second after it finished, even if none follows.
    ///
    /// # Errors
    /// The file cannot be written: disk full.
    pub fn tick(&mut self) -> Result<()> {
        self.flush()
    }

    /// Records written.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The names of the run's files.
    pub fn files(&self) -> &RunFiles {
        &self.files
    }

    /// Writes the footer and compresses the file to `.zst`, which replaces it; gives the path back.
    /// Whenever this is cut off, one of the two files is whole.
    ///
    /// # Errors
    /// One of the files cannot be written.
    pub fn close(
        self,
        engine: EngineFigures,
        partial: Option<String>,
        server: Option<ServerCounts>,
    ) -> Result<PathBuf> {
        let footer = RecordsFooter { kind: "end".to_owned(), partial, records: self.records, engine, server };
        let closed = self.files.closed_records();
        self.lines.close(&footer, &closed)?;
        Ok(closed)
    }

    fn flush(&mut self) -> Result<()> {
        self.lines.flush()?;
        self.flushed_at = Instant::now();
        Ok(())
    }
}
