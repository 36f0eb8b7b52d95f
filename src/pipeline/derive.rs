//! A run's records → its summary and its other files: the same way after a run, after a crash and years later.

use std::path::{Path, PathBuf};

use crate::analysis::{
    Finish, Measured, Summarizer, SummaryInput, curves_of_figures, machine_caveats, machine_summary,
    plan_caveats, served_caveats, tell_gpus,
};
use crate::report::csv::RequestLines;
use crate::results::{self, ReadSamples, RecordReader, RunFiles};
use crate::schema::SCHEMA_VERSION;
use crate::schema::curves::RunCurves;
use crate::schema::files::{RecordsFooter, RecordsHeader, RunFile};
use crate::schema::plan::RunKey;
use crate::schema::record::RequestRecord;
use crate::schema::request_figures::Figured;
use crate::schema::sample::Source;
use crate::schema::summary::RunSummary;

use super::kept::keep;
use super::phases::phases;
use super::requests_file::RequestsFile;
use super::sensed::Sensed;

/// One run, made from its records.
pub struct Derived {
    /// The names of its files.
    pub files: RunFiles,
    /// Its JSON file, whole.
    pub file: RunFile,
    /// What is to be said of it: its samples cannot be read any more.
    pub note: Option<String>,
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

/// A run as its JSON holds it. Where that is of before curves were kept, they are those of its figures, and of the
/// TTFTs in its `_requests.csv`, where that is there too.
///
/// # Errors
/// The JSON cannot be read.
pub fn of_json(files: &RunFiles) -> anyhow::Result<Derived> {
    let mut file = results::read_run(&files.json())?;
    if file.curves.is_empty() {
        let ttft_ms = results::read_ttft_ms(&files.requests_csv()).unwrap_or_default();
        file.curves = curves_of_figures(&file.summary, ttft_ms);
    }
    Ok(Derived { files: files.clone(), file, note: None })
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
}

/// Reads records to their end, or to the first that cannot be read.
fn read(files: &RunFiles, path: &Path) -> anyhow::Result<(Read, Option<anyhow::Error>)> {
    let header = RecordReader::open(path)?.header().clone();
    let summarizer = Summarizer::new(SummaryInput::from_header(&header)?);
    // Whether the paces of a run are known is told by all of its records, and nearly always by the first.
    let pace_is_known = !by_its_first_records(path, summarizer.part()).withholds_pace();
    let mut csv = RequestsFile::create(files, pace_is_known)?;
    let lines = csv.lines;
    let start = || Share { summarizer: summarizer.part(), lines };
    let folded = results::fold(path, start, |lines| csv.add(lines))?;
    let (folded, damage) = match folded {
        Some(folded) => (folded, None),
        None => {
            csv = RequestsFile::create(files, pace_is_known)?;
            let all = start();
            results::fold_in_order(path, all, |lines| csv.add(lines))?
        }
    };
    let mut whole = summarizer;
    folded.folds.into_iter().for_each(|share| whole.merge(share.summarizer));
    Ok((Read { header, summarizer: whole, footer: folded.footer, csv, records: path.to_owned() }, damage))
}

/// Records that a run is judged by before it is read.
const FIRST_RECORDS: usize = 500;

fn by_its_first_records(path: &Path, mut summarizer: Summarizer) -> Summarizer {
    let records = RecordReader::open(path).into_iter().flatten();
    let measured = records.map_while(Result::ok).filter(RequestRecord::counts_for_latency);
    measured.take(FIRST_RECORDS).for_each(|record| summarizer.add(&record));
    summarizer
}

/// What one thread makes of its records.
struct Share {
    summarizer: Summarizer,
    lines: RequestLines,
}

impl results::Fold for Share {
    /// The lines of some requests, in their order.
    type Part = Vec<u8>;

    fn add(&mut self, record: &RequestRecord, lines: &mut Vec<u8>) {
        let request = Figured::of(record);
        self.summarizer.add_figured(&request);
        self.lines.add(&request, lines);
    }

    fn empty(lines: &mut Vec<u8>) {
        lines.clear();
    }

    fn settle(&mut self) {
        self.summarizer.settle();
    }
}

/// Writes the requests of a run once more.
struct Rewritten(RequestLines);

impl results::Fold for Rewritten {
    /// The lines of some requests, in their order.
    type Part = Vec<u8>;

    fn add(&mut self, record: &RequestRecord, lines: &mut Vec<u8>) {
        self.0.add(&Figured::of(record), lines);
    }

    fn empty(lines: &mut Vec<u8>) {
        lines.clear();
    }
}

impl Read {
    /// Writes `_requests.csv` and `.json`.
    fn save(mut self, files: &RunFiles) -> anyhow::Result<Derived> {
        let (header, footer) = (self.header, self.footer);
        let launch = header.launch;
        let sensed = Sensed::read(files);
        // Not the engine's own: that begins before the first request is due, and lasts until a stuck one is cut off.
        let window = self.summarizer.window_us();
        let finish = Finish {
            issued: footer.engine.issued,
            engine: footer.engine,
            partial: footer.partial,
            server: footer.server,
            workers: footer.workers,
            gpu: sensed.as_ref().zip(window).and_then(|(sensed, window)| sensed.gpu_figures(window)),
        };
        // The figures are made while the disk takes the rows.
        let (settled, finished) = std::thread::scope(|scope| {
            let settled = scope.spawn(|| self.csv.settle());
            let finished = self.summarizer.finish_with_curves(finish);
            (settled.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), finished)
        });
        let (summary, curves) = finished?;
        settled?;
        if summary.withholds_pace() == self.csv.pace_is_known {
            // Its first records told another thing than all of them; what was written is dropped.
            self.csv = RequestsFile::create(files, !self.csv.pace_is_known)?;
            let lines = self.csv.lines;
            let start = || Rewritten(lines);
            if results::fold(&self.records, start, |lines| self.csv.add(lines))?.is_none() {
                self.csv = RequestsFile::create(files, self.csv.pace_is_known)?;
                // A damage was met before, and what stands behind it is not counted.
                results::fold_in_order(&self.records, start(), |lines| self.csv.add(lines))?;
            }
        }
        self.csv.commit()?;
        sensed.as_ref().map_or(Ok(()), |sensed| sensed.write_gpu_csv(files))?;
        let mut file = run_file(sensed.as_ref(), header, summary, curves, true);
        let first_s = sensed.as_ref().and_then(Sensed::first_s);
        file.phases = phases(&footer.engine, first_s, launch);
        let note = keep(files, sensed.as_ref(), &mut file);
        results::write_json(&files.json(), &file)?;
        Ok(Derived { files: files.clone(), file, note })
    }
}

/// A run's file but for its phases: what stands in the header, and what came of the records, all of them and by their
/// usual figures where it is `as_measured`.
pub(super) fn run_file(
    sensed: Option<&Sensed>,
    header: RecordsHeader,
    mut summary: RunSummary,
    curves: RunCurves,
    as_measured: bool,
) -> RunFile {
    let first = plan_caveats(&header, &summary);
    summary.caveats.splice(..0, first);
    summary.served = sensed.and_then(|sensed| sensed.served(&header, &summary)).map(Box::new);
    summary.caveats.extend(served_caveats(&summary, as_measured));
    tell_gpus(&mut summary, header.gpus_before.as_ref(), &curves);
    if let (Some(Sensed::Read(read)), Some(window)) = (sensed, window(&header, &summary)) {
        add_machine(&mut summary, read, window);
    }
    RunFile {
        schema_version: SCHEMA_VERSION,
        kind: "run".into(),
        plan: header.plan,
        environment: header.environment,
        summary,
        launched: header.launched,
        server: sensed.and_then(|sensed| sensed.of(Source::Server)),
        gpus: sensed.map(Sensed::gpus).unwrap_or_default(),
        server_processes: sensed.and_then(|sensed| sensed.of(Source::ServerProcesses)),
        client: sensed.and_then(|sensed| sensed.of(Source::Client)),
        host: sensed.and_then(|sensed| sensed.of(Source::Host)),
        phases: None,
        curves,
    }
}

/// The measured window on the run's clock; none where nothing was measured.
fn window(header: &RecordsHeader, summary: &RunSummary) -> Option<Measured> {
    let from_s = summary.started_at.duration_since(header.started_at).as_secs_f64();
    (summary.duration_s > 0.0).then_some(Measured { from_s, to_s: from_s + summary.duration_s })
}

/// What the machine did, and the doubts that it raises.
fn add_machine(summary: &mut RunSummary, read: &ReadSamples, window: Measured) {
    let others = read.footer.as_ref().map_or(&[][..], |footer| &footer.others);
    let machine = machine_summary(&read.samples, window, read.header.machine.as_ref(), others);
    summary.caveats.extend(machine.iter().flat_map(|machine| machine_caveats(machine, window)));
    summary.machine = machine;
}

/// The compressed records where they are there, as after a run that was closed.
fn records_path(files: &RunFiles) -> PathBuf {
    let closed = files.closed_records();
    if closed.exists() { closed } else { files.records() }
}
