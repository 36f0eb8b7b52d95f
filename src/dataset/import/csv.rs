//! Tables with the columns' names in the first row.

use std::io::{self, Read};

use anyhow::{Context as _, Result};
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::place::{Fault, Place, Wrong};
use super::raw::Reply;
use super::row::{Context, EMPTY_PROMPT, Exchange, Parsed, Row, Rows, read_on, short};
use crate::dataset::entry::Written;
use crate::schema::unit::Body;

/// What may stand between cells.
const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];
/// The longest row, bytes: an open quote would swallow the rest of the file.
const LONGEST: u64 = 64 << 20;
/// Rows that are looked at to tell a table from prose.
const LOOKED_AT: usize = 6;
/// Words of a column's name, at most.
const MOST_WORDS: usize = 3;

/// The cells of the first row and what stands between them.
pub(super) fn header(text: &str) -> (Vec<String>, u8) {
    let cells = |delimiter: u8| {
        let mut reader = reader(text.as_bytes(), delimiter);
        let mut row = csv::StringRecord::new();
        let read = reader.read_record(&mut row).unwrap_or(false);
        if read { row.iter().map(|cell| cell.trim().to_owned()).collect() } else { Vec::new() }
    };
    let of_each = DELIMITERS.map(|delimiter| (cells(delimiter), delimiter));
    // The first of those with the most cells.
    let most = of_each.iter().map(|(cells, _)| cells.len()).max();
    of_each.into_iter().find(|(cells, _)| Some(cells.len()) == most).unwrap_or((Vec::new(), b','))
}

/// Whether `text` has columns: rows of as many cells as the first one, whose cells could be names.
pub(super) fn is_table(text: &str, whole: bool, delimiter: u8) -> bool {
    let mut rows = Vec::new();
    for row in reader(text.as_bytes(), delimiter).into_records().take(LOOKED_AT) {
        let Ok(row) = row else { return false };
        rows.push(row);
    }
    if !whole && rows.len() < LOOKED_AT {
        // The last one may be cut.
        rows.pop();
    }
    let [names, others @ ..] = rows.as_slice() else { return false };
    let is_name = |cell: &str| !cell.trim().is_empty() && cell.split_whitespace().count() <= MOST_WORDS;
    names.len() > 1
        && !others.is_empty()
        && names.iter().all(is_name)
        && others.iter().all(|row| row.len() == names.len())
}

fn reader<R: Read>(source: R, delimiter: u8) -> Reader<R> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(source)
}

/// The rows of a table.
pub(super) struct CsvRows<R> {
    reader: Reader<Bounded<R>>,
    keys: Vec<Option<&'static str>>,
    record: ByteRecord,
}

impl<R: Read> CsvRows<R> {
    /// Reads the first row.
    ///
    /// # Errors
    /// It cannot be read, or no column stands for the prompt.
    pub(super) fn new(source: R, delimiter: u8, file: &str, context: &mut Context) -> Result<Self> {
        let mut reader = reader(Bounded::new(source), delimiter);
        let mut names = ByteRecord::new();
        reader.read_byte_record(&mut names).with_context(|| format!("cannot read {file}"))?;
        let names: Vec<String> =
            names.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let keys: Vec<Option<&'static str>> = names.iter().map(|name| context.columns.key(name)).collect();
        context.columns.check(file, &names, &keys)?;
        context.seen.table(&context.columns);
        for (name, _) in names.iter().zip(&keys).filter(|(name, key)| key.is_none() && !name.is_empty()) {
            context.passed_over.add(name);
        }
        Ok(CsvRows { reader, keys, record: ByteRecord::new() })
    }
}

impl<R: Read> Rows for CsvRows<R> {
    fn next(&mut self, _context: &mut Context) -> Result<Option<Result<Parsed, Fault>>> {
        let begins = self.reader.position().clone();
        self.reader.get_mut().row_begins(begins.byte());
        if !read_on(self.reader.read_byte_record(&mut self.record))? {
            return Ok(None);
        }
        let lines = self.reader.get_ref();
        let place = || Place::Line(begins.line() + lines.line_ends_at(begins.byte()));
        Ok(Some(row(&self.record, &self.keys).and_then(Parsed::checked).map_err(|wrong| wrong.at(place()))))
    }
}

fn row(record: &ByteRecord, keys: &[Option<&'static str>]) -> Result<Parsed, Wrong> {
    if record.len() != keys.len() {
        let what = format!("it has {} cells, and the first row names {} columns", record.len(), keys.len());
        return Err(what.into());
    }
    let mut row = Row::default();
    let (mut body, mut reply) = (None, None);
    for (key, cell) in keys.iter().zip(record) {
        let Some(key) = key else { continue };
        let text = std::str::from_utf8(cell).map_err(|_| Wrong::from("not UTF-8: save the file as UTF-8"))?;
        if text.is_empty() {
            continue;
        }
        match *key {
            "prompt" if text.trim().is_empty() => {}
            "prompt" | "messages" if body.is_some() => {
                return Err("the row has both `prompt` and `messages`: leave one of them out".into());
            }
            "prompt" => body = Some(Body::Text(text.to_owned())),
            "messages" => body = Some(messages(text)?),
            "reply" => reply = Some(text.to_owned()),
            "max_tokens" => row.max_tokens = Some(whole_number(text)?),
            "id" => row.id = Some(text.to_owned()),
            _ => row.category = text.to_owned(),
        }
    }
    let Some(body) = body else { return Ok(Parsed::LeftOut(EMPTY_PROMPT)) };
    row.turns.push(Exchange { reply: reply.map(Reply::Text), ..Exchange::of(body) });
    Ok(Parsed::Row(row))
}

fn messages(cell: &str) -> Result<Body, Wrong> {
    let wrong = |error: serde_json::Error| {
        Wrong::from(format!("`messages`: {}", crate::dataset::parse::clipped_message(&error)))
    };
    let messages: Vec<Written> = serde_json::from_str(cell).map_err(wrong)?;
    if messages.is_empty() {
        return Err("`messages` is empty".into());
    }
    Ok(Body::Messages(messages.into_iter().map(|Written(one)| one).collect()))
}

/// A number of tokens; pandas writes `128.0` where a cell of the column is empty.
fn whole_number(cell: &str) -> Result<u32, Wrong> {
    let text = cell.trim();
    let digits = text.strip_suffix(".0").unwrap_or(text);
    digits
        .parse()
        .map_err(|_| Wrong::from(format!("`max_tokens` is {}: write a whole number of tokens", short(text))))
}

/// Ends a row that has no end, and knows on which line a row begins: csv counts a line when it reads its last byte,
/// which of `\r\n` is in the next row.
struct Bounded<R> {
    source: R,
    since_row: u64,
    /// The last bytes that were read.
    kept: Vec<u8>,
    /// Where they begin.
    kept_from: u64,
}

impl<R> Bounded<R> {
    fn new(source: R) -> Self {
        Bounded { source, since_row: 0, kept: Vec::new(), kept_from: 0 }
    }

    /// Nothing before this place is asked for any more.
    fn row_begins(&mut self, byte: u64) {
        const KEPT: usize = 1 << 20;
        self.since_row = 0;
        let before = usize::try_from(byte.saturating_sub(self.kept_from)).unwrap_or(0).min(self.kept.len());
        if before > KEPT {
            self.kept.drain(..before);
            self.kept_from += before as u64;
        }
    }

    /// Line ends right at a place, before a row's text.
    fn line_ends_at(&self, byte: u64) -> u64 {
        let from = usize::try_from(byte.saturating_sub(self.kept_from)).unwrap_or(0).min(self.kept.len());
        let ends = self.kept[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        ends.filter(|byte| **byte == b'\n').count() as u64
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.since_row > LONGEST {
            return Err(io::Error::other("a row is longer than 64 MiB: a quote may be left open"));
        }
        let bytes = self.source.read(into)?;
        self.since_row += bytes as u64;
        self.kept.extend_from_slice(&into[..bytes]);
        Ok(bytes)
    }
}
