//! Tables: CSV with a line of names, and JSON lines whose keys are named.

use std::collections::HashMap;
use std::io::BufRead;

use serde_json::value::RawValue;

use super::clock::time_us;
use super::lines::{Lines, Taken, TraceError};
use super::rows::{Head, Names, Raw, Rows, clip, tokens};
use crate::schema::trace::{TimeUnit, TraceColumns};

/// Where a table's columns are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    names: [String; 3],
    /// Time, input, output: places in a row.
    places: [usize; 3],
    session: Option<usize>,
    unit: TimeUnit,
    /// Columns of the first line.
    width: usize,
}

impl Places {
    /// Those of a format, whose columns are there.
    pub(super) fn of_names(head: &Head, names: Names) -> Places {
        let at = |wanted: &str| head.names.iter().position(|name| name == wanted);
        let all = [names.time, names.input, names.output];
        Places {
            names: all.map(str::to_owned),
            places: all.map(|name| at(name).unwrap_or(usize::MAX)),
            session: names.session.and_then(at),
            unit: TimeUnit::S,
            width: head.names.len(),
        }
    }

    /// Those that the user names, of a table.
    pub(super) fn of_table(head: &Head, columns: &TraceColumns) -> Result<Places, TraceError> {
        let names = [&columns.time, &columns.input, &columns.output];
        let mut places = [0; 3];
        for (place, wanted) in places.iter_mut().zip(names) {
            let found = head.names.iter().position(|name| name == wanted);
            *place = found.ok_or_else(|| no_column(head, wanted))?;
        }
        let names = names.map(Clone::clone);
        Ok(Places { names, places, session: None, unit: columns.time_unit, width: head.names.len() })
    }

    /// Those that the user names, of JSON lines: by key, so nothing but their presence is looked at.
    pub(super) fn of_json(head: &Head, columns: &TraceColumns) -> Result<Places, TraceError> {
        Places::of_table(head, columns)
    }

    /// A row of a table.
    fn row(&self, record: &csv::ByteRecord, rows: &mut Rows) -> Result<(), String> {
        if record.len() != self.width {
            return Err(format!("{} columns where the first line names {}", record.len(), self.width));
        }
        let [time, input, output] = self.places.map(|place| text(record, place));
        let session = self.session.map_or(Ok(""), |place| text(record, place))?;
        rows.push(Raw {
            at_us: time_us(time?, self.unit)?,
            input_tokens: tokens(input?, &self.names[1])?,
            output_tokens: tokens(output?, &self.names[2])?,
            session,
            ..Raw::default()
        })
    }

    /// An object of JSON lines.
    pub(super) fn json_row(&self, line: &[u8], rows: &mut Rows) -> Result<(), String> {
        let object: HashMap<String, &RawValue> =
            serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let value = |name: &String| match object.get(name) {
            Some(value) => Ok(value.get().trim_matches('"')),
            None => Err(format!("there is no `{}`", clip(name))),
        };
        let [time, input, output] = &self.names;
        rows.push(Raw {
            at_us: time_us(value(time)?, self.unit)?,
            input_tokens: tokens(value(input)?, input)?,
            output_tokens: tokens(value(output)?, output)?,
            ..Raw::default()
        })
    }
}

fn text(record: &csv::ByteRecord, place: usize) -> Result<&str, String> {
    let field = record.get(place).ok_or("a column is missing")?;
    std::str::from_utf8(field).map_err(|_| "not UTF-8".to_owned())
}

fn no_column(head: &Head, wanted: &str) -> TraceError {
    let names: Vec<String> = head.names.iter().take(12).map(|name| clip(name)).collect();
    TraceError::Unknown(format!("--columns names `{}`, and it holds {}", clip(wanted), names.join(", ")))
}

/// Reads the rows behind the line of names.
pub(super) fn read_table(
    lines: Lines<impl BufRead>,
    places: Places,
    taken: &mut Taken,
) -> Result<(), TraceError> {
    let before = lines.number;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(lines.source);
    let mut record = csv::ByteRecord::new();
    loop {
        // Of bytes there is no other error than one of reading.
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(TraceError::Io(error.into())),
        }
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        let line = before + record.position().map_or(0, csv::Position::line);
        taken.line(line, |rows| places.row(&record, rows))?;
    }
}
