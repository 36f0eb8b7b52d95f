//! `benchmark_summary.csv`: every run ever, one row each, written by many processes, and never torn.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::directories::{AtomicFile, write_atomic};
use crate::schema::plan::RunKey;
use crate::schema::text::cell;

use super::bounded::{LONGEST_ROW, read_line};
use super::lock::Patience;
use super::summary_file::{
    append, cells, end_last_line, first_line, move_aside, open_locked, rename_away, same_columns,
};

/// The file of all runs.
pub const SUMMARY_FILE: &str = "benchmark_summary.csv";

/// The file of all runs of `--simulate`: no row of it ever stands beside a measured one.
pub const SIMULATED_FILE: &str = "simulated_summary.csv";

/// What [`put_rows`] did, so that the user can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The file that holds the rows.
    pub path: PathBuf,
    /// Where the old file lies now, whose columns were others.
    pub renamed: Option<PathBuf>,
    /// Where a last line lies now that some writer had left half-written.
    pub moved_aside: Option<PathBuf>,
}

/// What becomes of a row that stands there for the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is put right.
    Replaced,
    /// It stays.
    Kept,
}

/// Puts rows into `file` ([`SUMMARY_FILE`] or [`SIMULATED_FILE`]) under its lock: each in the place of the row that
/// its run has, else at the end. A new file gets the header first. A file with other columns is renamed to
/// `{stem}_until_{at}.csv` as it is, unless it holds these runs.
///
/// # Errors
/// The file cannot be read, locked or written; nothing of the rows is left in it then.
pub fn put_rows<S: AsRef<str>>(
    directory: &Path,
    file: &str,
    header: &[S],
    rows: &[Vec<String>],
    at: Timestamp,
    standing: Standing,
    patience: Patience<'_>,
) -> Result<Put> {
    let path = directory.join(file);
    let mut done = Put { path: path.clone(), renamed: None, moved_aside: None };
    let context = || format!("cannot append to {}", path.display());
    let header_line = csv_lines([header.iter().map(AsRef::as_ref).collect()])?;
    let keys: Vec<Option<RowKey>> = rows.iter().map(|row| RowKey::of(header, row)).collect();
    loop {
        let mut file = open_locked(&path, patience).with_context(context)?;
        let mut held = first_line(&mut file).with_context(context)?;
        if !held.is_empty()
            && held.len() < header_line.len()
            && header_line.starts_with(&held)
            && held != header_line.trim_ascii_end()
        {
            done.moved_aside = Some(move_aside(&mut file, 0, &path, at).with_context(context)?);
            held.clear();
        }
        if !held.is_empty() && !same_columns(&held, header) {
            if keys.iter().all(|key| key.as_ref().is_some_and(|key| holds(&mut file, key))) {
                return Ok(done);
            }
            // The lock dies with the renamed file; the next round opens or makes the new one.
            done.renamed = Some(rename_away(&path, at).with_context(context)?);
            continue;
        }
        if held.is_empty() {
            append(&mut file, &header_line).with_context(context)?;
        } else if let Some(aside) = end_last_line(&mut file, &path, header, at).with_context(context)? {
            done.moved_aside = Some(aside);
        }
        let lines = rows.iter().map(|row| csv_lines([row.iter().map(String::as_str).collect()]));
        let new: Vec<NewRow> =
            lines.zip(keys).map(|(line, key)| Ok(NewRow { line: line?, key })).collect::<Result<_>>()?;
        put(&mut file, &path, &new, standing).with_context(context)?;
        return Ok(done);
    }
}

/// A row that is to stand in the file.
struct NewRow {
    line: Vec<u8>,
    key: Option<RowKey>,
}

/// Appends what has no row yet; where a row is to be put right, or stands twice, the file is replaced as a whole.
fn put(file: &mut File, path: &Path, new: &[NewRow], standing: Standing) -> Result<()> {
    let mut found = vec![false; new.len()];
    // What becomes of a line: nothing is left of one that stands twice.
    let mut edits: Vec<(u64, &[u8])> = Vec::new();
    each_row(file, |number, line, columns, row| {
        let of_row = |new: &NewRow| {
            new.key.as_ref().is_some_and(|key| {
                columns.is(row, key) && (standing == Standing::Kept || key.is_of_the_run(columns, row))
            })
        };
        let Some((new, found)) = new.iter().zip(&mut found).find(|(new, _)| of_row(new)) else { return };
        let is_second = std::mem::replace(found, true);
        match standing {
            Standing::Kept => {}
            Standing::Replaced if is_second => edits.push((number, b"")),
            Standing::Replaced if cells(line) == cells(&new.line) => {}
            Standing::Replaced => edits.push((number, &new.line)),
        }
    })?;
    let left = new.iter().zip(&found).filter(|(_, found)| !**found);
    let appended: Vec<u8> = left.flat_map(|(new, _)| new.line.iter().copied()).collect();
    if edits.is_empty() {
        return if appended.is_empty() { Ok(()) } else { append(file, &appended) };
    }
    // The file itself, where the name is a link. Who waits for the lock finds another file of the name.
    let mut whole = AtomicFile::create(&path.canonicalize()?)?;
    let mut rest = edits.into_iter().peekable();
    each_line(file, |number, line| match rest.next_if(|(wrong, _)| *wrong == number) {
        Some((_, row)) => whole.write_all(row),
        None => whole.write_all(line),
    })?;
    whole.write_all(&appended)?;
    whole.commit()
}

/// What names a row: the cells of its run's key, as they stand there.
struct RowKey {
    run_id: String,
    backend: String,
    numbers: [String; 3],
    timestamp: String,
}

impl RowKey {
    /// None where the columns hold no key.
    fn of<S: AsRef<str>>(header: &[S], row: &[String]) -> Option<Self> {
        let cell = |name: &str| row.get(header.iter().position(|column| column.as_ref() == name)?).cloned();
        Some(RowKey {
            run_id: cell("run_id")?,
            backend: cell("backend")?,
            numbers: ["point", "round", "repeat"].map(|name| cell(name).unwrap_or_else(|| "1".to_owned())),
            timestamp: cell("timestamp").unwrap_or_default(),
        })
    }

    fn of_run(run_id: &str, key: &RunKey) -> Self {
        RowKey {
            run_id: run_id.to_owned(),
            backend: key.label.clone(),
            numbers: [key.point, key.round, key.repeat].map(|number| number.to_string()),
            timestamp: String::new(),
        }
    }

    /// Two runs of one second shared a run id once, so a row is another run's where it holds figures of another
    /// time. One that holds none is of the launch that failed.
    fn is_of_the_run(&self, columns: &KeyColumns, row: &csv::ByteRecord) -> bool {
        let text = |place: Option<usize>| {
            String::from_utf8_lossy(place.and_then(|place| row.get(place)).unwrap_or_default()).into_owned()
        };
        let time = text(columns.timestamp);
        let another = time.parse::<Timestamp>().is_ok_and(|_| time != self.timestamp);
        !another || columns.issued.is_some() && text(columns.issued).is_empty()
    }
}

/// Where the columns lie that name a run.
struct KeyColumns {
    run_id: usize,
    backend: usize,
    /// Point, round and repeat; a file of before there were keys has none of them.
    numbers: [Option<usize>; 3],
    timestamp: Option<usize>,
    issued: Option<usize>,
}

impl KeyColumns {
    /// None where the file is not one of this program.
    fn of(columns: &csv::ByteRecord) -> Option<Self> {
        let place = |name: &str| columns.iter().position(|column| column == name.as_bytes());
        Some(KeyColumns {
            run_id: place("run_id")?,
            backend: place("backend")?,
            numbers: ["point", "round", "repeat"].map(place),
            timestamp: place("timestamp"),
            issued: place("requests_issued"),
        })
    }

    fn is(&self, row: &csv::ByteRecord, key: &RowKey) -> bool {
        let same = |(place, number): (&Option<usize>, &String)| {
            place.map_or(number == "1", |place| row.get(place) == Some(number.as_bytes()))
        };
        row.get(self.run_id).is_some_and(|held| is_cell(held, &key.run_id))
            && row.get(self.backend).is_some_and(|held| is_cell(held, &key.backend))
            && self.numbers.iter().zip(&key.numbers).all(same)
    }
}

/// True where a cell holds this text, in whatever way it was written.
fn is_cell(held: &[u8], text: &str) -> bool {
    held == text.as_bytes() || held == cell(text).as_bytes()
}

/// True where the file, whatever its columns, has a row of this key.
fn holds(file: &mut File, key: &RowKey) -> bool {
    let mut found = false;
    each_row(file, |_, _, columns, row| found |= columns.is(row, key)).is_ok() && found
}

/// Takes out of `file` every row of this run id but those of `kept`: what is played again must not stand
/// twice. The file is replaced as a whole, under the lock that [`put_rows`] takes.
///
/// # Errors
/// The file cannot be read, locked or replaced.
pub fn keep_rows(
    directory: &Path,
    file: &str,
    run_id: &str,
    kept: &[RunKey],
    patience: Patience<'_>,
) -> Result<()> {
    let path = directory.join(file);
    if !path.exists() {
        return Ok(());
    }
    let context = || format!("cannot rewrite {}", path.display());
    let mut held = open_locked(&path, patience).with_context(context)?;
    let mut bytes = Vec::new();
    held.seek(SeekFrom::Start(0)).and_then(|_| held.read_to_end(&mut bytes)).with_context(context)?;
    let kept: Vec<RowKey> = kept.iter().map(|key| RowKey::of_run(run_id, key)).collect();
    // Every line is a row, and what is kept is kept byte for byte: a line's end may be a spreadsheet's.
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let head = lines.next().unwrap_or_default();
    let Some(columns) = cells(head).and_then(|columns| KeyColumns::of(&columns)) else { return Ok(()) };
    let mut kept_bytes = head.to_vec();
    for line in lines {
        let is_dropped = cells(line).is_some_and(|row| {
            row.get(columns.run_id).is_some_and(|held| is_cell(held, run_id))
                && !kept.iter().any(|key| columns.is(&row, key))
        });
        if !is_dropped {
            kept_bytes.extend_from_slice(line);
        }
    }
    let dropped = kept_bytes.len() < bytes.len();
    // Who waits for the lock finds another file of the name, and opens that.
    let write = || write_atomic(&path.canonicalize()?, &kept_bytes);
    if dropped { write().with_context(context) } else { Ok(()) }
}

/// Gives the rows of a file of this program with their line numbers; a file of another gives none.
fn each_row(file: &mut File, mut see: impl FnMut(u64, &[u8], &KeyColumns, &csv::ByteRecord)) -> Result<()> {
    let mut columns = None;
    each_line(file, |number, line| {
        let Some(row) = cells(line) else { return Ok(()) };
        match &columns {
            None if number == 1 => columns = KeyColumns::of(&row),
            None => {}
            Some(columns) => see(number, line, columns, &row),
        }
        Ok(())
    })
}

fn each_line(file: &mut File, mut see: impl FnMut(u64, &[u8]) -> std::io::Result<()>) -> Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if read_line(&mut reader, &mut line, LONGEST_ROW)? == 0 {
            break;
        }
        see(number, &line)?;
    }
    Ok(())
}

/// Writes a table of its own, such as a comparison's `summary.csv`.
///
/// # Errors
/// The file cannot be written.
pub fn write_table<S: AsRef<str>>(path: &Path, header: &[S], rows: &[Vec<String>]) -> Result<()> {
    let header: Vec<&str> = header.iter().map(AsRef::as_ref).collect();
    let rows = rows.iter().map(|row| row.iter().map(String::as_str).collect());
    write_atomic(path, &csv_lines(std::iter::once(header).chain(rows))?)
}

/// Cells hold no line break, so every line is a row, and no formula.
fn csv_lines<'a>(rows: impl IntoIterator<Item = Vec<&'a str>>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(|text| cell(text).into_owned()))?;
    }
    writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))
}
