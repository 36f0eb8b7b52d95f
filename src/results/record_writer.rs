//! The raw records of a run, written while it goes: what a crash loses is at most a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::schema::files::{EngineFigures, RecordsFooter, RecordsHeader};
use crate::schema::record::RequestRecord;
use crate::schema::summary::ServerCounts;
use crate::schema::workers::ClockMap;

use super::json_lines::{ClosedLines, LineWriter};
use super::name::RunFiles;

/// A record may wait so long in memory before it is given to the system.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Writes `…_records.jsonl`: the header, one line a record, the footer.
#[derive(Debug)]
pub struct RecordWriter {
    files: RunFiles,
    /// Where the file lies when it is closed.
    closed: PathBuf,
    lines: LineWriter,
    records: u64,
    flushed_at: Instant,
}

impl RecordWriter {
    /// Starts the file of a run under names that no other run has; the header is on disk, and the file's lock
    /// held, before it has its name.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn create(directory: &Path, stem: &str, header: &RecordsHeader) -> Result<Self> {
        let (lines, files) = LineWriter::create(directory, header, |records| {
            let files = RunFiles::take(directory, stem, header.started_at, records)?;
            let path = files.records();
            Ok((files, path))
        })?;
        let closed = files.closed_records();
        Ok(RecordWriter { files, closed, lines, records: 0, flushed_at: Instant::now() })
    }

    /// Starts the file of one worker of a run that several play: `…_records.w03.jsonl`. Its name and its files are
    /// those of the run, by the time in the header: workers that are to share it share that.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn create_part(directory: &Path, stem: &str, worker: u32, header: &RecordsHeader) -> Result<Self> {
        let (lines, files) = LineWriter::create(directory, header, |records| {
            RunFiles::take_part(directory, (stem, worker), header.started_at, records)
        })?;
        let closed = files.closed_part(worker);
        Ok(RecordWriter { files, closed, lines, records: 0, flushed_at: Instant::now() })
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

    /// Writes the footer and compresses the file to `.zst`, which replaces it; where it lies then.
    /// Whenever this is cut off, one of the two files is whole.
    ///
    /// # Errors
    /// The footer cannot be written.
    pub fn close(
        self,
        engine: EngineFigures,
        partial: Option<String>,
        server: Option<ServerCounts>,
    ) -> Result<ClosedLines> {
        self.close_part(engine, partial, server, None)
    }

    /// The same of a worker's file, with what brings its times onto worker 0's clock.
    ///
    /// # Errors
    /// As [`RecordWriter::close`]'s.
    pub fn close_part(
        self,
        engine: EngineFigures,
        partial: Option<String>,
        server: Option<ServerCounts>,
        clock: Option<ClockMap>,
    ) -> Result<ClosedLines> {
        let footer = RecordsFooter {
            kind: "end".to_owned(),
            partial,
            records: self.records,
            engine,
            server,
            clock,
            workers: Vec::new(),
        };
        self.lines.close(&footer, &self.closed)
    }

    fn flush(&mut self) -> Result<()> {
        self.lines.flush()?;
        self.flushed_at = Instant::now();
        Ok(())
    }
}
