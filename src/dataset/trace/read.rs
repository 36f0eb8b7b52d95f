//! A file's bytes → rows: which format it is, line by line, with the sum that tells it from others.

use std::io::{BufRead, Read};

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use sha2::{Digest, Sha256};

use super::formats::FORMATS;
use super::lines::{Lines, Taken, TraceError};
use super::rows::{Format, Head, Reader, Rows};
use super::table::{Places, read_table};
use crate::schema::trace::{TraceColumns, TraceFormat};

/// What a file holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) format: TraceFormat,
    pub(super) rows: Rows,
    /// Rows that cannot be used, left out.
    pub(super) bad: u64,
    /// The first of them.
    pub(super) first_bad: Option<String>,
}

/// Bytes on their way, and the sum of those that have passed.
pub(super) struct Summed<R> {
    inner: R,
    sum: Sha256,
}

impl<R: Read> Summed<R> {
    pub(super) fn new(inner: R) -> Self {
        Summed { inner, sum: Sha256::new() }
    }

    /// SHA-256 of all bytes, hexadecimal; what nobody has asked for yet is read first.
    pub(super) fn finish(mut self) -> std::io::Result<String> {
        let mut rest = [0; 1 << 16];
        while self.read(&mut rest)? > 0 {}
        Ok(self.sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.sum.update(&into[..read]);
        Ok(read)
    }
}

/// What is asked of the reader.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    pub(super) format: Option<TraceFormat>,
    pub(super) columns: Option<&'a TraceColumns>,
    pub(super) skip_bad: bool,
}

/// Reads all rows.
pub(super) fn read(mut source: impl BufRead, asked: Asked<'_>) -> Result<Found, TraceError> {
    skip_mark(&mut source)?;
    let mut lines = Lines { source, number: 0 };
    let first = lines.next()?.ok_or(TraceError::Empty)?;
    if is_list(&first) {
        return Err(TraceError::List);
    }
    let head = head(&first);
    let mut taken = Taken { rows: Rows::default(), bad: 0, first_bad: None, skip_bad: asked.skip_bad };
    let format = match asked.columns {
        Some(columns) if head.json => {
            let places = Places::of_json(&head, columns)?;
            taken.line(lines.number, |rows| places.json_row(&first, rows))?;
            while let Some(line) = lines.next()? {
                taken.line(lines.number, |rows| places.json_row(&line, rows))?;
            }
            TraceFormat::Columns
        }
        Some(columns) => {
            read_table(lines, Places::of_table(&head, columns)?, &mut taken)?;
            TraceFormat::Columns
        }
        None => {
            let format = found(&head, asked.format)?;
            match format.reader {
                Reader::Table(names) => read_table(lines, Places::of_names(&head, names)?, &mut taken)?,
                Reader::Lines(read) => {
                    taken.line(lines.number, |rows| read(&first, rows))?;
                    while let Some(line) = lines.next()? {
                        taken.line(lines.number, |rows| read(&line, rows))?;
                    }
                }
            }
            format.format
        }
    };
    if taken.rows.rows.is_empty() {
        return Err(TraceError::Empty);
    }
    Ok(Found { format, rows: taken.rows, bad: taken.bad, first_bad: taken.first_bad })
}

/// The format that a file is of, by its first bytes; none where none is known.
pub(super) fn format_of(first_bytes: &[u8]) -> Option<TraceFormat> {
    let mut source = first_bytes;
    skip_mark(&mut source).ok()?;
    let first = Lines { source, number: 0 }.next().ok()??;
    let head = head(&first);
    FORMATS.iter().find(|format| (format.is)(&head)).map(|format| format.format)
}

fn found(head: &Head, named: Option<TraceFormat>) -> Result<&'static Format, TraceError> {
    let Some(named) = named else {
        let known = FORMATS.iter().find(|format| (format.is)(head));
        return known.ok_or_else(|| TraceError::Unknown(head.shown()));
    };
    let of_name = FORMATS.iter().find(|format| format.format == named);
    of_name.filter(|format| (format.is)(head)).ok_or_else(|| TraceError::Other(named.title(), head.shown()))
}

/// Passes over the mark that some programs put before UTF-8.
fn skip_mark(source: &mut impl BufRead) -> std::io::Result<()> {
    if source.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        source.consume(3);
    }
    Ok(())
}

/// A list of objects begins in it.
fn is_list(line: &[u8]) -> bool {
    let behind = line.trim_ascii_start().strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(b"{"))
}

/// What a first line shows.
fn head(line: &[u8]) -> Head {
    if line.trim_ascii_start().first() == Some(&b'{') {
        // What stands behind the object is told as a fault of its line.
        let mut from = serde_json::Deserializer::from_slice(line);
        let keys = Keys::deserialize(&mut from).unwrap_or_default();
        return Head { names: keys.names, json: true, objects: keys.objects, delimiter: b',' };
    }
    let delimiter = delimiter(line);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(line);
    let mut record = csv::ByteRecord::new();
    let names = match reader.read_byte_record(&mut record) {
        Ok(true) if record.len() > 1 => {
            record.iter().map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned()).collect()
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    Head { names, json: false, objects: Vec::new(), delimiter }
}

/// What stands between the names of columns: whichever of commas, semicolons and tabs there is most of.
fn delimiter(line: &[u8]) -> u8 {
    let count = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    // Of equal counts the last is the greatest.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// The keys of an object, and those whose values are objects.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    objects: Vec<String>,
}

/// A value of which only its kind matters.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    Object(
        #[expect(dead_code, reason = "only that it is one")] std::collections::BTreeMap<String, IgnoredAny>,
    ),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        struct OfMap;
        impl<'de> Visitor<'de> for OfMap {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Keys::default();
                while let Some((name, kind)) = map.next_entry::<String, Kind>()? {
                    if matches!(kind, Kind::Object(_)) {
                        keys.objects.push(name.clone());
                    }
                    keys.names.push(name);
                }
                Ok(keys)
            }
        }
        deserializer.deserialize_map(OfMap)
    }
}
