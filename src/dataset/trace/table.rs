//! Tables: CSV with a line of names, and JSON lines whose keys are named.

use std::fmt;
use std::io::BufRead;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cells::{Cells, TableRows};
use super::clock::{is_date, time_us};
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
    /// What stands between cells.
    delimiter: u8,
}

impl Places {
    /// Those of a format, whose columns are there.
    ///
    /// # Errors
    /// One of them is there twice.
    pub(super) fn of_names(head: &Head, names: Names) -> Result<Places, TraceError> {
        for name in [names.time, names.input, names.output].into_iter().chain(names.session) {
            once(head, name)?;
        }
        let at = |wanted: &str| head.names.iter().position(|name| name == wanted);
        let all = [names.time, names.input, names.output];
        Ok(Places {
            names: all.map(str::to_owned),
            places: all.map(|name| at(name).unwrap_or(usize::MAX)),
            session: names.session.and_then(at),
            unit: TimeUnit::S,
            width: head.names.len(),
            spans: false,
            delimiter: head.delimiter,
        })
    }

    /// Those that the user names, of a table.
    pub(super) fn of_table(head: &Head, columns: &TraceColumns) -> Result<Places, TraceError> {
        let names = [&columns.time, &columns.input, &columns.output];
        let mut places = [0; 3];
        for (place, wanted) in places.iter_mut().zip(names) {
            let found = head.names.iter().position(|name| name == wanted);
            *place = found.ok_or_else(|| no_column(head, wanted))?;
            once(head, wanted)?;
        }
        let names = names.map(Clone::clone);
        let width = head.names.len();
        let (unit, delimiter) = (columns.time_unit, head.delimiter);
        Ok(Places { names, places, session: None, unit, width, spans: true, delimiter })
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
        let at_us = self.time_us(time?, rows)?;
        rows.push(Raw {
            at_us,
            input_tokens: tokens(input?, &self.names[1])?,
            output_tokens: tokens(output?, &self.names[2])?,
            session,
            ..Raw::default()
        })
    }

    /// An object of JSON lines.
    pub(super) fn json_row(&self, line: &[u8], rows: &mut Rows) -> Result<(), String> {
        let mut found = [None; 3];
        let mut from = serde_json::Deserializer::from_slice(line);
        let read = from.deserialize_map(Named { names: &self.names, found: &mut found });
        read.and_then(|()| from.end()).map_err(|error| error.to_string())?;
        let [time, input, output] = std::array::from_fn(|place| match found[place] {
            Some(value) => Ok(RawValue::get(value).trim_matches('"')),
            None => Err(format!("there is no `{}`", clip(&self.names[place]))),
        });
        let at_us = self.time_us(time?, rows)?;
        rows.push(Raw {
            at_us,
            input_tokens: tokens(input?, &self.names[1])?,
            output_tokens: tokens(output?, &self.names[2])?,
            ..Raw::default()
        })
    }

    /// A row's time. Dates and numbers in one file have no common beginning.
    fn time_us(&self, text: &str, rows: &mut Rows) -> Result<u64, String> {
        let at_us = time_us(text, self.unit)?;
        let dated = is_date(text);
        match (dated, *rows.dated.get_or_insert(dated)) {
            (true, false) => Err(format!("'{}' is a date, and the times before it are numbers", clip(text))),
            (false, true) => Err(format!("'{}' is a number, and the times before it are dates", clip(text))),
            (true, true) | (false, false) => Ok(at_us),
        }
    }
}

/// Reads the values of named keys.
struct Named<'n, 'de> {
    names: &'n [String; 3],
    found: &'n mut [Option<&'de RawValue>; 3],
}

impl<'de> Visitor<'de> for Named<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if !self.names.contains(&key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<&RawValue>()?;
            for (_, found) in self.names.iter().zip(&mut *self.found).filter(|(name, _)| **name == key) {
                if found.replace(value).is_some() {
                    return Err(M::Error::custom(format!("`{}` stands twice", clip(&key))));
                }
            }
        }
        Ok(())
    }
}

/// Which of two columns of a name is meant, nobody knows.
fn once(head: &Head, name: &str) -> Result<(), TraceError> {
    match head.names.iter().filter(|own| *own == name).count() {
        0 | 1 => Ok(()),
        _ => Err(TraceError::Twice(clip(name))),
    }
}

fn text(record: &Cells, place: usize) -> Result<&str, String> {
    let field = record.get(place).ok_or("a column is missing")?;
    std::str::from_utf8(field).map_err(|_| "not UTF-8".to_owned())
}

fn no_column(head: &Head, wanted: &str) -> TraceError {
    TraceError::Unknown(format!("--columns names `{}`, and {}", clip(wanted), head.shown()))
}

/// Reads the rows behind the line of names.
pub(super) fn read_table(
    lines: Lines<impl BufRead>,
    places: Places,
    taken: &mut Taken,
) -> Result<(), TraceError> {
    let mut table = TableRows::new(lines, places.delimiter);
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
