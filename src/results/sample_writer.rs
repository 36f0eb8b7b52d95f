//! What is sensed during a run, written while it goes: what a crash loses is about a second.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::schema::machine::BusyProcess;
use crate::schema::sample::{Sample, SamplesFooter, SamplesHeader, SensorTally};

use super::json_lines::{ClosedLines, LineWriter};
use super::name::RunFiles;

/// A sample that comes so long after the last flush is given to the system at once. Less than a second, so
/// that samples of every second are flushed one by one.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Writes `…_samples.jsonl`: the header, one line a sample, the footer.
#[derive(Debug)]
pub struct SampleWriter {
    files: RunFiles,
    lines: LineWriter,
    samples: u64,
    flushed_at: Instant,
}

impl SampleWriter {
    /// Starts the file of a run whose names were taken; the header is on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(files: &RunFiles, header: &SamplesHeader) -> Result<Self> {
        let path = files.samples();
        let (lines, ()) = LineWriter::create(files.directory(), header, |samples| {
            samples.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(((), path))
        })?;
        Ok(SampleWriter { files: files.clone(), lines, samples: 0, flushed_at: Instant::now() })
    }

    /// Writes a sample.
    ///
    /// # Errors
    /// The file cannot be written: disk full.
    pub fn write(&mut self, sample: &Sample) -> Result<()> {
        self.lines.write(sample)?;
        self.samples += 1;
        if self.samples == 1 || self.flushed_at.elapsed() >= FLUSH_EVERY {
            self.lines.flush()?;
            self.flushed_at = Instant::now();
        }
        Ok(())
    }

    /// Writes the footer and compresses the file to `.zst`, which replaces it; where it lies then.
    ///
    /// # Errors
    /// The footer cannot be written.
    pub fn close(self, sensors: Vec<SensorTally>, others: Vec<BusyProcess>) -> Result<ClosedLines> {
        let footer = SamplesFooter { kind: "end".to_owned(), samples: self.samples, sensors, others };
        self.lines.close(&footer, &self.files.closed_samples())
    }
}
