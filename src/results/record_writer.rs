//! The raw records of a run, written while it goes: what a crash loses is at most a second.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::directories::AtomicFile;
use crate::schema::files::{EngineFigures, RecordsFooter, RecordsHeader};
use crate::schema::record::RequestRecord;
use crate::schema::summary::ServerCounts;

use super::name::RunFiles;

/// A record may wait so long in memory before it is given to the system.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
const BUFFER_BYTES: usize = 1 << 18;
const ZSTD_LEVEL: i32 = 3;

/// Writes `…_records.jsonl`: the header, one line a record, the footer.
#[derive(Debug)]
pub struct RecordWriter {
    files: RunFiles,
    file: BufWriter<File>,
    records: u64,
    flushed_at: Instant,
    line: Vec<u8>,
}

impl RecordWriter {
    /// Starts the file of a run whose names were taken; the header is on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(files: &RunFiles, header: &RecordsHeader) -> Result<Self> {
        let path = files.records();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut writer = RecordWriter {
            files: files.clone(),
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            records: 0,
            flushed_at: Instant::now(),
            line: Vec::new(),
        };
        writer.write_line(header)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Writes a record, and flushes where the last flush is a second old.
    ///
    /// # Errors
    /// The file cannot be written: disk full.
    pub fn write(&mut self, record: &RequestRecord) -> Result<()> {
        self.write_line(record)?;
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
        mut self,
        engine: EngineFigures,
        partial: Option<String>,
        server: Option<ServerCounts>,
    ) -> Result<PathBuf> {
        let footer = RecordsFooter { kind: "end".to_owned(), partial, records: self.records, engine, server };
        self.write_line(&footer)?;
        self.flush()?;
        self.file.get_ref().sync_all().with_context(|| self.cannot_write())?;
        let closed = self.files.closed_records();
        self.compress().with_context(|| format!("cannot write {}", closed.display()))?;
        let path = self.files.records();
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        Ok(closed)
    }

    fn compress(&self) -> Result<()> {
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, File::open(self.files.records())?);
        let target = AtomicFile::create(&self.files.closed_records())?;
        let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        std::io::copy(&mut plain, &mut encoder)?;
        encoder.finish()?.commit()
    }

    fn write_line<T: Serialize>(&mut self, value: &T) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value).with_context(|| self.cannot_write())?;
        self.line.push(b'\n');
        self.file.write_all(&self.line).with_context(|| self.cannot_write())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| self.cannot_write())?;
        self.flushed_at = Instant::now();
        Ok(())
    }

    fn cannot_write(&self) -> String {
        format!("cannot write {}", self.files.records().display())
    }
}
