//! The records of several workers → one run, as if one machine had played it. Records are put together, never
//! percentiles. Memory: 0.5 GB of lines, some 30 bytes a request, and 100 bytes a request of the largest part; beyond
//! that nameless files of about the size of the result.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::SignedDuration;

use crate::analysis::{Finish, Summarizer, SummaryInput};
use crate::results::{self, Fold, PlacedLines, RecordSorter, RunFiles};
use crate::schema::files::{EngineFigures, RecordsFooter, RecordsHeader};
use crate::schema::plan::Plan;
use crate::schema::record::RequestRecord;
use crate::schema::refusal::refuse;
use crate::schema::summary::{RunSummary, ServerCounts};
use crate::schema::unit::Phase;
use crate::schema::workers::{ClockMap, WorkerStats};

use super::merge_indices::{self, Played};
use super::merge_lost::{self, Lost};
use super::record::ReportedTokens;
use super::worker_parts::{Part, check_one_run, open};

/// Bytes of records that are held while they are sorted, over all parts; what grows takes twice as much.
const HELD_BYTES: usize = 256 << 20;

/// Makes one run of the records of its workers: `{stem}_records.jsonl.zst` in `into`, over an older one. Times are
/// brought onto worker 0's clock, each request's by one offset, so that its own latencies stay to the µs; requests are
/// in the order in which they were due, or else ready. The parts stay.
///
/// # Errors
/// Parts that are not of one run, requests that are missing, doubled or not of the plan, or a directory that cannot be
/// written.
pub fn merge_parts(parts: &[PathBuf], into: &Path, stem: &str) -> anyhow::Result<RunFiles> {
    let parts = open(parts)?;
    check_one_run(&parts)?;
    let files = RunFiles::named(into.to_owned(), stem.to_owned());
    let Some(first) = parts.first() else {
        return refuse(format!("{stem}: no part of its records"), "give the records of its workers");
    };
    let mut merged = Merged::default();
    for part in &parts {
        let share = HELD_BYTES / parts.len();
        let read = read(part, into, share).with_context(|| cannot_merge(part))?;
        merged.add(part, read).with_context(|| cannot_merge(part))?;
    }
    let mut engine = merged.engine.unwrap_or_default();
    let lost = merge_lost::lost(&parts, &merged.ends_us, engine.measured_from_us);
    if merged.damaged || !lost.is_empty() {
        engine.issued = None;
    }
    let partial = first.partial().or_else(|| merge_lost::verdict(&lost)).or_else(|| merged.partial.clone());
    let renumber =
        merge_indices::check(&mut merged.played, first.header.load(), (first.share.of, partial.is_some()))?;
    merged.workers.extend(lost.iter().filter_map(Lost::absent));
    merged.workers.sort_by_key(|worker| worker.worker);
    for worker in &mut merged.workers {
        worker.lost = lost.iter().find(|lost| lost.worker == worker.worker).map(Lost::own_words);
    }
    let footer = RecordsFooter {
        kind: "end".to_owned(),
        partial,
        records: merged.records,
        engine,
        // What a worker without records was answered is in the server's count alone.
        server: first
            .footer
            .as_ref()
            .filter(|_| lost.is_empty() && !merged.damaged)
            .and_then(|footer| merged.server(footer.server.clone()?)),
        clock: None,
        workers: merged.workers,
    };
    results::write_sorted(&files.closed_records(), &header(first), merged.sorters, renumber, &footer)?;
    Ok(files)
}

fn cannot_merge(part: &Part) -> String {
    format!("worker {} ({})", part.worker, part.path.display())
}

/// The header of the whole: the first worker's, with worker 0's µs 0.
fn header(first: &Part) -> RecordsHeader {
    let mut header = first.header.clone();
    let earlier = SignedDuration::from_micros(first.clock.to_first_us(0));
    header.started_at = header.started_at.checked_sub(earlier).unwrap_or(header.started_at);
    if earlier != SignedDuration::ZERO {
        header.monotonic_zero_ns = None;
    }
    header.plan = Plan { workers: first.share.of, ..header.plan };
    header.worker = None;
    header
}

/// What was read of one part.
struct Read {
    sorter: RecordSorter,
    summary: RunSummary,
    played: Vec<Played>,
    reported: ReportedTokens,
    records: u64,
    /// The end of its last request, µs on worker 0's clock.
    end_us: u64,
    /// Whether it is damaged, and how.
    damage: Option<anyhow::Error>,
}

fn read(part: &Part, directory: &Path, most_bytes: usize) -> anyhow::Result<Read> {
    let summarizer = Summarizer::new(SummaryInput::from_header(&part.header)?);
    let start = || Reading::new(part, summarizer.part());
    let mut sorter = RecordSorter::new(directory, most_bytes);
    let whole = results::fold(&part.path, start, |lines| sorter.add(lines))?;
    let (folded, damage) = match whole {
        Some(folded) => (folded, None),
        None => {
            sorter = RecordSorter::new(directory, most_bytes);
            results::fold_in_order(&part.path, start(), |lines| sorter.add(lines))?
        }
    };
    let mut all = Reading::new(part, summarizer);
    folded.folds.into_iter().for_each(|fold| all.merge(fold));
    all.failed.map_or(Ok(()), Err)?;
    let engine = folded.footer.engine;
    let issued = engine.issued.filter(|_| damage.is_none());
    let summary = all.summarizer.finish(Finish { engine, issued, ..Finish::default() })?;
    let (played, reported, end_us) = (all.played, all.reported, all.end_us);
    Ok(Read { sorter, summary, played, reported, records: folded.footer.records, end_us, damage })
}

/// What one thread makes of a part's records.
struct Reading<'a> {
    clock: &'a ClockMap,
    worker: u32,
    summarizer: Summarizer,
    played: Vec<Played>,
    reported: ReportedTokens,
    end_us: u64,
    failed: Option<anyhow::Error>,
}

impl<'a> Reading<'a> {
    fn new(part: &'a Part, summarizer: Summarizer) -> Self {
        Reading {
            clock: &part.clock,
            worker: part.worker,
            summarizer,
            played: Vec::new(),
            reported: ReportedTokens::default(),
            end_us: 0,
            failed: None,
        }
    }

    fn merge(&mut self, other: Reading<'_>) {
        self.summarizer.merge(other.summarizer);
        self.played.extend(other.played);
        self.reported.join(other.reported);
        self.end_us = self.end_us.max(other.end_us);
        self.failed = self.failed.take().or(other.failed);
    }
}

impl Fold for Reading<'_> {
    type Part = PlacedLines;

    fn add(&mut self, record: &RequestRecord, lines: &mut PlacedLines) {
        self.summarizer.add(record);
        self.reported.add(record);
        let mut record = record.clone();
        record.shift(self.clock.offset_us(record.came_us() as i64).round() as i64);
        self.end_us = self.end_us.max(record.end_us);
        if record.phase == Phase::Measured {
            self.played.push(Played::of(&record, self.worker));
        }
        if let Err(error) = lines.add(&record) {
            self.failed.get_or_insert(error);
        }
    }

    fn settle(&mut self) {
        self.summarizer.settle();
    }
}

/// What comes of the parts so far.
#[derive(Default)]
struct Merged {
    sorters: Vec<RecordSorter>,
    played: Vec<Played>,
    records: u64,
    /// Of the workers that came to an end.
    engine: Option<EngineFigures>,
    /// The records of one cannot be read to their end.
    damaged: bool,
    workers: Vec<WorkerStats>,
    /// By worker, the end of its last request.
    ends_us: Vec<(u32, u64)>,
    /// Why a worker did not reach its end.
    partial: Option<String>,
    /// What the records of all parts but the first reported.
    others: Option<ReportedTokens>,
}

impl Merged {
    fn add(&mut self, part: &Part, read: Read) -> anyhow::Result<()> {
        if let (None, Some(damage)) = (part.partial(), &read.damage) {
            self.partial
                .get_or_insert(format!("worker {}: its records cannot be read: {damage:#}", part.worker));
        }
        if let Some(partial) = part.partial() {
            self.partial.get_or_insert(format!("worker {} of {}: {partial}", part.worker, part.share.of));
        }
        self.workers.push(stats(part, &read.summary));
        self.damaged |= read.damage.is_some();
        if let Some(footer) = &part.footer {
            let own = of_first(footer.engine, &part.clock);
            self.engine = Some(self.engine.map_or(own, |held| joined(held, own)));
        }
        match &mut self.others {
            None => self.others = Some(ReportedTokens::default()),
            Some(others) => others.join(read.reported),
        }
        self.ends_us.push((part.worker, read.end_us));
        self.records += read.records;
        self.played.extend(read.played);
        self.sorters.push(read.sorter);
        Ok(())
    }

    /// The server's count beside that of all workers, where each answer of theirs bears one: the first worker's part
    /// holds the server's, and its own.
    fn server(&self, first: ServerCounts) -> Option<ServerCounts> {
        let others = self.others.unwrap_or_default();
        (others.uncounted == 0).then_some(ServerCounts {
            client_prompt_tokens: first.client_prompt_tokens + others.prompt as f64,
            client_generated_tokens: first.client_generated_tokens + others.output as f64,
            ..first
        })
    }
}

/// A worker's figures by its own records: the same rules as of a client alone.
fn stats(part: &Part, summary: &RunSummary) -> WorkerStats {
    let engine = part.footer.as_ref().map(|footer| footer.engine).unwrap_or_default();
    let client = &summary.client;
    WorkerStats {
        worker: part.worker,
        host: part.host.clone(),
        issued: summary.requests.issued,
        send_delay_p99_ms: client.send_delay_ms.as_ref().map(|delay| delay.p99),
        cpu_s: engine.cpu_s,
        threads: engine.threads,
        clock_offset_us: part.clock.offset_us(engine.measured_from_us as i64),
        clock_error_us: part.clock.bound_us(),
        clock_step_us: part.clock.largest_step_us,
        silence_s: part.clock.longest_silence_s,
        client_limited: client.client_limited.clone(),
        lost: None,
    }
}

/// Figures with their times on worker 0's clock.
fn of_first(engine: EngineFigures, clock: &ClockMap) -> EngineFigures {
    let at = |us: u64| u64::try_from(clock.to_first_us(us as i64)).unwrap_or(0);
    EngineFigures {
        measured_from_us: at(engine.measured_from_us),
        measured_to_us: at(engine.measured_to_us),
        ramp_to_us: at(engine.ramp_to_us),
        issue_end_us: at(engine.issue_end_us),
        ..engine
    }
}

/// Of two machines: those of the first's start, for as long as either was at it.
fn joined(held: EngineFigures, other: EngineFigures) -> EngineFigures {
    let issued = held.issued.zip(other.issued).map(|(held, other)| held + other);
    // Who could not play tells nothing of when.
    if held.threads == 0 || other.threads == 0 {
        return EngineFigures { issued, ..if held.threads == 0 { other } else { held } };
    }
    EngineFigures {
        measured_from_us: held.measured_from_us,
        measured_to_us: held.measured_to_us.max(other.measured_to_us),
        ramp_to_us: held.ramp_to_us.max(other.ramp_to_us),
        issue_end_us: held.issue_end_us.max(other.issue_end_us),
        issued,
        cpu_s: held.cpu_s + other.cpu_s,
        busy_share: held.busy_share.max(other.busy_share),
        threads: held.threads + other.threads,
    }
}
