//! The raw records of a run, read back one by one, also when the writer was killed.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use serde_json::Value;

use crate::schema::SCHEMA_VERSION;
use crate::schema::files::{EngineFigures, RecordsFooter, RecordsHeader};
use crate::schema::record::{Chunks, RequestRecord};

use super::bounded::{LATEST_US, LONGEST_LINE, read_line};
use super::json_lines::{last_line, open_lines};
use super::name::{RunFiles, check_label, check_run_id};
use super::record_line::{self, SharedTexts};
use super::version_1;

/// Why a run without a footer is partial.
pub const CRASHED: &str = "the harness ended before the run did";

/// Reads `…_records.jsonl` or `….jsonl.zst`: an iterator over the records, in the order of their end.
pub struct RecordReader {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    header: RecordsHeader,
    version_1: bool,
    line_number: u64,
    line: Vec<u8>,
    /// The first record, without its events: what the fast reading of a line begins with.
    blank: Option<RequestRecord>,
    texts: SharedTexts,
    records: u64,
    footer: Option<RecordsFooter>,
    over: bool,
}

/// Whole records that are on disk of a run that was not closed.
///
/// # Errors
/// Its file cannot be read.
pub fn saved_records(files: &RunFiles) -> Result<u64> {
    let mut lines = open_lines(&files.records())?;
    let mut line = Vec::new();
    let mut whole = 0_u64;
    while read_line(&mut lines, &mut line, LONGEST_LINE)? > 0 {
        whole += u64::from(line.ends_with(b"\n"));
        line.clear();
    }
    // The first is the header.
    Ok(whole.saturating_sub(1))
}

/// The last line of a records file; none where the writer was killed, or something else stands there.
pub fn read_footer(path: &Path) -> Option<RecordsFooter> {
    let footer: RecordsFooter = serde_json::from_slice(&last_line(path).ok()?).ok()?;
    (footer.kind == "end").then_some(footer)
}

/// What a run without a last line is closed with.
pub(super) fn crashed(records: u64) -> RecordsFooter {
    RecordsFooter {
        kind: "end".to_owned(),
        partial: Some(CRASHED.to_owned()),
        records,
        engine: EngineFigures::default(),
        server: None,
        clock: None,
        workers: Vec::new(),
    }
}

impl std::fmt::Debug for RecordReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordReader").field("path", &self.path).field("records", &self.records).finish()
    }
}

enum Line {
    Whole,
    /// Without a newline: the writer was cut off in it, or just behind it.
    Last,
    None,
}

impl RecordReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// There is no such file, or its first line is no header (a run that was killed in its first
    /// moment has none).
    pub fn open(path: &Path) -> Result<Self> {
        let mut lines = open_lines(path)?;
        let mut line = Vec::new();
        read_line(&mut lines, &mut line, LONGEST_LINE)
            .with_context(|| format!("cannot read {}:1", path.display()))?;
        if line.is_empty() {
            bail!("{}: empty; the run ended before it began", path.display());
        }
        let no_header = || format!("{}:1: no header of a records file", path.display());
        let mut header: Value = serde_json::from_slice(&line).with_context(no_header)?;
        let version_1 = version_1::upgrade(&mut header);
        let header: RecordsHeader = serde_json::from_value(header).with_context(no_header)?;
        if header.kind != "records" || header.schema_version > SCHEMA_VERSION {
            bail!(
                "{}:1: kind {:?}, schema version {}; this program reads \"records\" up to version {}",
                path.display(),
                header.kind,
                header.schema_version,
                SCHEMA_VERSION
            );
        }
        check_run_id(&header.plan.run_id).with_context(|| format!("{}:1", path.display()))?;
        check_label(&header.key.label).with_context(|| format!("{}:1", path.display()))?;
        Ok(RecordReader {
            path: path.to_owned(),
            lines,
            header,
            version_1,
            line_number: 1,
            line,
            blank: None,
            texts: SharedTexts::default(),
            records: 0,
            footer: None,
            over: false,
        })
    }

    /// The first line.
    pub fn header(&self) -> &RecordsHeader {
        &self.header
    }

    /// The next record; none at the end. A last line that the writer did not finish is left out.
    ///
    /// # Errors
    /// A line that is neither a record nor the footer, or a footer that counted other records than are
    /// there; names the file and the line.
    pub fn next_record(&mut self) -> Result<Option<RequestRecord>> {
        if self.over {
            return Ok(None);
        }
        let line = self.read_line()?;
        let error = match (line, self.record()) {
            (Line::None, _) => return self.end(),
            (Line::Whole | Line::Last, Ok(_)) if self.footer.is_some() => {
                bail!("{}: a record after the end", self.place())
            }
            (Line::Whole | Line::Last, Ok(record)) if latest_us(&record) > LATEST_US => {
                bail!("{}: a time of more than a year", self.place())
            }
            (Line::Whole | Line::Last, Ok(mut record)) => {
                self.records += 1;
                if self.version_1 {
                    // Each request was a unit of its own then.
                    record.unit = record.index;
                }
                return Ok(Some(record));
            }
            (Line::Whole | Line::Last, Err(_)) if self.take_footer() => return self.next_record(),
            (Line::Last, Err(_)) => return self.end(),
            (Line::Whole, Err(error)) => error,
        };
        Err(error).with_context(|| format!("{}: neither a record nor the end of the run", self.place()))
    }

    /// What the footer says, to be asked when the last record was read; without a footer, that the
    /// harness ended before the run did.
    pub fn finish(self) -> RecordsFooter {
        self.footer.unwrap_or_else(|| crashed(self.records))
    }

    /// The file is of version 1.
    pub(super) fn is_version_1(&self) -> bool {
        self.version_1
    }

    fn read_line(&mut self) -> Result<Line> {
        self.line.clear();
        self.line_number += 1;
        let read = read_line(&mut self.lines, &mut self.line, LONGEST_LINE);
        read.with_context(|| format!("cannot read {}", self.place()))?;
        Ok(match self.line.last() {
            None => Line::None,
            Some(b'\n') => Line::Whole,
            Some(_) => Line::Last,
        })
    }

    /// The record of the line that was read last.
    fn record(&mut self) -> serde_json::Result<RequestRecord> {
        if let Some(blank) = &self.blank {
            let mut record = blank.clone();
            if record_line::read(&self.line, &mut self.texts, &mut record) {
                return Ok(record);
            }
        }
        let record: RequestRecord = serde_json::from_slice(&self.line)?;
        self.blank.get_or_insert_with(|| RequestRecord { chunks: Chunks::default(), ..record.clone() });
        Ok(record)
    }

    fn take_footer(&mut self) -> bool {
        match serde_json::from_slice::<RecordsFooter>(&self.line) {
            Ok(footer) if self.footer.is_none() && footer.kind == "end" => {
                self.footer = Some(footer);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    fn end(&mut self) -> Result<Option<RequestRecord>> {
        self.over = true;
        match &self.footer {
            Some(footer) if footer.records != self.records => bail!(
                "{}: holds {} records, but its end says {}: lines were lost",
                self.path.display(),
                self.records,
                footer.records
            ),
            Some(_) | None => Ok(None),
        }
    }

    fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line_number)
    }
}

/// The latest stamp of a record, µs.
pub(super) fn latest_us(record: &RequestRecord) -> u64 {
    let stamps = [
        record.due_us,
        record.slot_us,
        record.sent_us,
        record.headers_us,
        record.first_event_us,
        record.first_token_us,
        record.first_answer_us,
        record.last_token_us,
    ];
    let always = record.ready_us.max(record.end_us).max(record.chunks.last_us());
    stamps.into_iter().fold(always, |latest, stamp| latest.max(stamp.unwrap_or(0)))
}

impl Iterator for RecordReader {
    type Item = Result<RequestRecord>;

    /// The next record; after an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_record();
        if next.is_err() {
            self.over = true;
        }
        next.transpose()
    }
}
