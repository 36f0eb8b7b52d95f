//! A run's records → its summary and its other files: the same way after a run, after a crash and years later.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::analysis::{Finish, Summarizer, SummaryInput, plan_caveats, series};
use crate::report::csv::RequestsCsv;
use crate::results::{self, AtomicFile, RecordReader, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::files::RunFile;
use crate::schema::plan::RunKey;
use crate::schema::record::RequestRecord;
use crate::schema::sample::{SensedSeries, Source};

/// One run, made from its records.
pub struct Derived {
    /// The names of its files.
    pub files: RunFiles,
    /// Its JSON file, whole.
    pub file: RunFile,
    /// TTFT of each completed request, ms.
    pub ttft_ms: Vec<f64>,
}

impl Derived {
    /// Which run of its plan.
    pub fn key(&self) -> &RunKey {
        &self.file.summary.key
    }
}

/// Reads the records of a run and writes `_requests.csv` and `.json` beside them.
///
/// # Errors
/// Records that cannot be read or do not add up, or a directory that cannot be written.
pub fn derive(files: &RunFiles) -> anyhow::Result<Derived> {
    let path = records_path(files);
    let mut reader = RecordReader::open(&path)?;
    let header = reader.header().clone();
    let mut summarizer = Summarizer::new(SummaryInput::from_header(&header)?);
    let mut csv = RequestsFile::create(files, true)?;
    let mut ttft_ms = Vec::new();
    while let Some(record) = reader.next_record()? {
        summarizer.add(&record);
        csv.add(&record)?;
        ttft_ms.extend(record.ttft_ms().filter(|_| record.counts_for_latency()));
    }
    let footer = reader.finish();
    let mut summary = summarizer.finish(Finish {
        issued: footer.engine.issued,
        engine: footer.engine,
        partial: footer.partial,
        server: footer.server,
    })?;
    if summary.withholds_pace() {
        // That is known only when all is read; what was written so far is dropped.
        csv = RequestsFile::create(files, false)?;
        let mut reader = RecordReader::open(&path)?;
        while let Some(record) = reader.next_record()? {
            csv.add(&record)?;
        }
    }
    csv.commit()?;
    let first = plan_caveats(&header, &summary);
    summary.caveats.splice(..0, first);
    let file = RunFile {
        schema_version: SCHEMA_VERSION,
        kind: "run".into(),
        plan: header.plan,
        environment: header.environment,
        summary,
        launched: header.launched,
        server: sensed(files, Source::Server),
    };
    results::write_json(&files.json(), &file)?;
    Ok(Derived { files: files.clone(), file, ttft_ms })
}

/// `_requests.csv` in the making.
struct RequestsFile {
    path: PathBuf,
    csv: RequestsCsv<BufWriter<AtomicFile>>,
}

impl RequestsFile {
    fn create(files: &RunFiles, pace_is_known: bool) -> anyhow::Result<Self> {
        let path = files.requests_csv();
        let sink = BufWriter::new(AtomicFile::create(&path)?);
        let csv = RequestsCsv::new(sink, pace_is_known).with_context(|| cannot_write(&path))?;
        Ok(RequestsFile { path, csv })
    }

    fn add(&mut self, record: &RequestRecord) -> anyhow::Result<()> {
        self.csv.add(record).with_context(|| cannot_write(&self.path))
    }

    fn commit(self) -> anyhow::Result<()> {
        let cannot_write = || cannot_write(&self.path);
        let mut sink = self.csv.finish().with_context(cannot_write)?;
        sink.flush().with_context(cannot_write)?;
        sink.into_inner().map_err(|error| error.into_error()).with_context(cannot_write)?.commit()?;
        Ok(())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// The compressed records where they are there, as after a run that was closed.
fn records_path(files: &RunFiles) -> PathBuf {
    let closed = files.closed_records();
    if closed.exists() { closed } else { files.records() }
}

/// The series of one sensor, from the samples' file; none where nothing was sensed. A file that cannot be
/// read costs its series, not the run.
fn sensed(files: &RunFiles, source: Source) -> Option<SensedSeries> {
    let path = [files.closed_samples(), files.samples()].into_iter().find(|path| path.exists())?;
    let read = match results::read_samples(&path) {
        Ok(read) => read,
        Err(error) => {
            return Some(SensedSeries { trouble: Some(format!("{error:#}")), ..SensedSeries::default() });
        }
    };
    let tally = read.footer.iter().flat_map(|footer| &footer.sensors).find(|tally| tally.source == source);
    Some(SensedSeries {
        interval_s: read.header.interval_s,
        samples: read.samples.iter().filter(|sample| sample.source == source).count() as u64,
        skipped: tally.map(|tally| tally.skipped),
        failed: tally.map(|tally| tally.failed),
        trouble: read.broken.or_else(|| tally.and_then(|tally| tally.trouble.clone())),
        series: series(&read.samples, source),
    })
}
