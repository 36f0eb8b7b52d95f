//! Tables: CSV with a line of names, and JSON lines whose keys are named.

use std::collections::HashMap;
use std::io::BufRead;

use serde_json::value::RawValue;

use super::cells::{Cells, TableRows};
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
    /// Nobody knows what else is in its rows: a quoted cell may hold line ends.
    spans: bool,
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
            spans: false,
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
        let width = head.names.len();
        Ok(Places { names, places, session: None, unit: columns.time_unit, width, spans: true })
    }

    /// Those that the user names, of JSON lines: by key, so nothing but their presence is looked at.
    pub(super) fn of_json(head: &Head, columns: &TraceColumns) -> Result<Places, TraceError> {
        Places::of_table(head, columns)
    }

    /// A row of a table.
    fn row(&self, record: &Cells, rows: &mut Rows) -> Result<(), String> {
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

fn text(record: &Cells, place: usize) -> Result<&str, String> {
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
    let mut table = TableRows::new(lines);
    while let Some(found) = table.next(places.spans)? {
        if table.cells.are_empty() {
            continue;
        }
        let mut is_row = !found.is_open;
        taken.line(found.line, |rows| {
            if found.is_open {
                return Err(left_open(places.spans));
            }
            let read = places.row(&table.cells, rows);
            is_row = read.is_ok();
            match found.further {
                0 => read,
                further => read.map_err(|what| {
                    format!(
                        "a quote opens in it and closes {further} {} on, and that makes no row ({what}): a stray quote?",
                        if further == 1 { "line" } else { "lines" }
                    )
                }),
            }
        })?;
        if !is_row {
            table.put_back();
        }
    }
    Ok(())
}

fn left_open(spans: bool) -> String {
    let rule =
        if spans { "anywhere behind it" } else { "on it, and no cell of this format holds a line end" };
    format!("a quote opens in it and does not close {rule}: a stray quote?")
}
