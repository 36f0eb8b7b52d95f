//! A run's records → its summary and its other files: the same way after a run, after a crash and years later.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::analysis::{Finish, Summarizer, SummaryInput, plan_caveats, series};
use crate::report::csv::RequestsCsv;
use crate::results::{self, AtomicFile, RecordReader, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::files::{RecordsFooter, RecordsHeader, RunFile};
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
    match read(files, &path)? {
        (read, None) => read.save(files),
        (_, Some(damage)) => Err(damage),
    }
}

/// A run that lies on disk, whole: from its records, or from its JSON where they were deleted.
///
/// # Errors
/// As [`derive`]'s and [`of_json`]'s.
pub fn of_disk(files: &RunFiles) -> anyhow::Result<Derived> {
    if records_path(files).exists() { derive(files) } else { of_json(files) }
}

/// A run as its JSON holds it. Its TTFTs are those of its `_requests.csv`, where that is there too.
///
/// # Errors
/// The JSON cannot be read.
pub fn of_json(files: &RunFiles) -> anyhow::Result<Derived> {
    let file = results::read_run(&files.json())?;
    let ttft_ms = results::read_ttft_ms(&files.requests_csv()).unwrap_or_default();
    Ok(Derived { files: files.clone(), file, ttft_ms })
}

/// A run from what can be read of its records, and what could not be. Where its JSON is there, that tells more than
/// records with a damage; else what stands before the damage counts, as it does after a crash.
///
/// # Errors
/// Nothing can be made of the records, or a directory that cannot be written.
pub fn derive_again(files: &RunFiles, records: &Path) -> anyhow::Result<(Derived, Option<anyhow::Error>)> {
    let (mut read, damage) = read(files, records)?;
    let Some(damage) = damage else { return Ok((read.save(files)?, None)) };
    if let Ok(whole) = of_json(files) {
        return Ok((whole, Some(damage.context("its .json stays as it is"))));
    }
    read.footer.partial = Some(format!("{UNREADABLE} after {} requests", read.footer.records));
    Ok((read.save(files)?, Some(damage.context("what stands before it is counted"))))
}

/// Why a run is partial whose records are damaged.
const UNREADABLE: &str = "its records cannot be read";

/// Records that were read.
struct Read {
    header: RecordsHeader,
    summarizer: Summarizer,
    footer: RecordsFooter,
    csv: RequestsFile,
    /// Where they lie.
    records: PathBuf,
    ttft_ms: Vec<f64>,
}

/// Reads records to their end, or to the first that cannot be read.
fn read(files: &RunFiles, path: &Path) -> anyhow::Result<(Read, Option<anyhow::Error>)> {
    let mut reader = RecordReader::open(path)?;
    let header = reader.header().clone();
    let mut summarizer = Summarizer::new(SummaryInput::from_header(&header)?);
    let mut csv = RequestsFile::create(files, true)?;
    let mut ttft_ms = Vec::new();
    let mut damage = None;
    loop {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(error) => {
                damage = Some(error);
                break;
            }
        };
        summarizer.add(&record);
        csv.add(&record)?;
        ttft_ms.extend(record.ttft_ms().filter(|_| record.counts_for_latency()));
    }
    let footer = reader.finish();
    Ok((Read { header, summarizer, footer, csv, records: path.to_owned(), ttft_ms }, damage))
}

impl Read {
    /// Writes `_requests.csv` and `.json`.
    fn save(mut self, files: &RunFiles) -> anyhow::Result<Derived> {
        let (header, footer) = (self.header, self.footer);
        let mut summary = self.summarizer.finish(Finish {
            issued: footer.engine.issued,
            engine: footer.engine,
            partial: footer.partial,
            server: footer.server,
        })?;
        if summary.withholds_pace() {
            // That is known only when all is read; what was written so far is dropped.
            self.csv = RequestsFile::create(files, false)?;
            let mut reader = RecordReader::open(&self.records)?;
            // A damage was met before, and what stands behind it is not counted.
            while let Ok(Some(record)) = reader.next_record() {
                self.csv.add(&record)?;
            }
        }
        self.csv.commit()?;
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
        Ok(Derived { files: files.clone(), file, ttft_ms: self.ttft_ms })
    }
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
pub(super) fn sensed(files: &RunFiles, source: Source) -> Option<SensedSeries> {
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
