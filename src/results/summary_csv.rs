//! `benchmark_summary.csv`: every run ever, appended by many processes, and never torn.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::directories::write_atomic;
use crate::schema::plan::{RunKey, file_stamp};
use crate::schema::text::{cell, read_cell};

use super::name::numbered;

/// The file of all runs.
pub const SUMMARY_FILE: &str = "benchmark_summary.csv";

/// The file of all runs of `--simulate`: no row of it ever stands beside a measured one.
pub const SIMULATED_FILE: &str = "simulated_summary.csv";

/// What [`append_summary`] did, so that the user can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The file that holds the new rows.
    pub path: PathBuf,
    /// Where the old file lies now, whose columns were others.
    pub renamed: Option<PathBuf>,
    /// Where a last line lies now that some writer had left half-written.
    pub moved_aside: Option<PathBuf>,
}

/// Appends rows to `file` ([`SUMMARY_FILE`] or [`SIMULATED_FILE`]) under its lock; a new file gets the
/// header first. A last line without a newline was left half-written: it is moved to a file of its own.
/// A file with other columns is renamed to `{stem}_until_{at}.csv`.
///
/// # Errors
/// The file cannot be read, locked or written; nothing of the rows is left in it then.
pub fn append_summary<S: AsRef<str>>(
    directory: &Path,
    file: &str,
    header: &[S],
    rows: &[Vec<String>],
    at: Timestamp,
) -> Result<Appended> {
    let path = directory.join(file);
    let mut done = Appended { path: path.clone(), renamed: None, moved_aside: None };
    let context = || format!("cannot append to {}", path.display());
    let header_line = csv_lines([header.iter().map(AsRef::as_ref).collect()])?;
    let row_lines = csv_lines(rows.iter().map(|row| row.iter().map(String::as_str).collect()))?;
    loop {
        let mut file = open_locked(&path).with_context(context)?;
        if let Some(aside) = move_half_line_aside(&mut file, &path, at).with_context(context)? {
            done.moved_aside = Some(aside);
        }
        let held = first_line(&mut file).with_context(context)?;
        if !held.is_empty() && !same_columns(&held, header) {
            // The lock dies with the renamed file; the next round opens or makes the new one.
            done.renamed = Some(rename_away(&path, at).with_context(context)?);
            continue;
        }
        let lines = if held.is_empty() { [header_line, row_lines].concat() } else { row_lines };
        append(&mut file, &lines).with_context(context)?;
        return Ok(done);
    }
}

/// Where the columns lie that name a run.
struct KeyColumns {
    run_id: usize,
    backend: usize,
    /// Point, round and repeat; a file of before there were keys has none of them.
    numbers: [Option<usize>; 3],
}

impl KeyColumns {
    /// None where the file is not one of this program.
    fn of(columns: &csv::StringRecord) -> Option<Self> {
        let place = |name: &str| columns.iter().position(|column| column == name);
        let numbers = ["point", "round", "repeat"].map(place);
        Some(KeyColumns { run_id: place("run_id")?, backend: place("backend")?, numbers })
    }

    fn is(&self, row: &csv::StringRecord, run_id: &str, key: &RunKey) -> bool {
        let numbers = [key.point, key.round, key.repeat];
        let same = |(place, number): (&Option<usize>, u32)| {
            place.map_or(number == 1, |place| row.get(place) == Some(number.to_string().as_str()))
        };
        row.get(self.run_id).map(read_cell) == Some(run_id)
            && row.get(self.backend).map(read_cell) == Some(key.label.as_str())
            && self.numbers.iter().zip(numbers).all(same)
    }
}

/// True where `file` of the directory has a row of this run.
///
/// # Errors
/// The file is there and cannot be read.
pub fn summary_holds(directory: &Path, file: &str, run_id: &str, key: &RunKey) -> Result<bool> {
    let path = directory.join(file);
    if !path.exists() {
        return Ok(false);
    }
    let context = || format!("cannot read {}", path.display());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&path).with_context(context)?;
    let Some(columns) = KeyColumns::of(reader.headers().with_context(context)?) else { return Ok(false) };
    for row in reader.records() {
        if columns.is(&row.with_context(context)?, run_id, key) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes out of `file` every row of this run id but those of `kept`: what is played again must not stand
/// twice. The file is replaced as a whole, under the lock that [`append_summary`] takes.
///
/// # Errors
/// The file cannot be read or replaced.
pub fn keep_rows(directory: &Path, file: &str, run_id: &str, kept: &[RunKey]) -> Result<()> {
    let path = directory.join(file);
    if !path.exists() {
        return Ok(());
    }
    let context = || format!("cannot rewrite {}", path.display());
    let mut held = open_locked(&path).with_context(context)?;
    let mut bytes = Vec::new();
    held.seek(SeekFrom::Start(0)).and_then(|_| held.read_to_end(&mut bytes)).with_context(context)?;
    // Every line is a row, and what is kept is kept byte for byte: a line's end may be a spreadsheet's.
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let head = lines.next().unwrap_or_default();
    let Some(columns) = cells(head).and_then(|columns| KeyColumns::of(&columns)) else { return Ok(()) };
    let mut kept_bytes = head.to_vec();
    for line in lines {
        let is_dropped = cells(line).is_some_and(|row| {
            row.get(columns.run_id).map(read_cell) == Some(run_id)
                && !kept.iter().any(|key| columns.is(&row, run_id, key))
        });
        if !is_dropped {
            kept_bytes.extend_from_slice(line);
        }
    }
    let dropped = kept_bytes.len() < bytes.len();
    // Who waits for the lock finds another file of the name, and opens that.
    if dropped { write_atomic(&path, &kept_bytes).with_context(context) } else { Ok(()) }
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

/// Opens and locks the file that bears the name when the lock is held: another process may have renamed
/// the one that was waited for.
fn open_locked(path: &Path) -> Result<File> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.lock()?;
        let held = file.metadata()?;
        match std::fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Cells hold no line break, so every line is a row, and no formula.
fn csv_lines<'a>(rows: impl IntoIterator<Item = Vec<&'a str>>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(|text| cell(text).into_owned()))?;
    }
    writer.into_inner().map_err(|error| anyhow::anyhow!("{error}"))
}

fn first_line(file: &mut File) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn same_columns<S: AsRef<str>>(line: &[u8], header: &[S]) -> bool {
    cells(line).is_some_and(|columns| columns.iter().eq(header.iter().map(AsRef::as_ref)))
}

/// The cells of one line; none where it is empty or no text.
fn cells(line: &[u8]) -> Option<csv::StringRecord> {
    // A spreadsheet that saved the file may have put a byte order mark before it.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    reader.records().next()?.ok()
}

fn move_half_line_aside(file: &mut File, path: &Path, at: Timestamp) -> Result<Option<PathBuf>> {
    let start = last_line_start(file)?;
    let mut half = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.read_to_end(&mut half)?;
    if half.is_empty() {
        return Ok(None);
    }
    let (mut aside, path) = create_beside(path, "broken", at)?;
    aside.write_all(&half)?;
    aside.write_all(b"\n")?;
    aside.sync_all()?;
    file.set_len(start)?;
    Ok(Some(path))
}

/// Where the line begins that the last newline leaves open; the file's end where none is.
fn last_line_start(file: &mut File) -> Result<u64> {
    const STEP: u64 = 1 << 16;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let from = end.saturating_sub(STEP);
        let mut block = vec![0; (end - from) as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        if let Some(place) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + place as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// A new file `{stem}_{what}_{at}.csv` beside `path`, whose stem it bears.
fn create_beside(path: &Path, what: &str, at: Timestamp) -> Result<(File, PathBuf)> {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let stem = format!("{stem}_{what}_{}", file_stamp(at));
    for name in numbered(&stem) {
        let path = path.with_file_name(format!("{name}.csv"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
    }
    anyhow::bail!("every name from {stem} on is taken")
}

/// Renames under the lock; the name is reserved first, so that no file is overwritten.
fn rename_away(path: &Path, at: Timestamp) -> Result<PathBuf> {
    let (_, target) = create_beside(path, "until", at)?;
    std::fs::rename(path, &target)?;
    Ok(target)
}

/// One write; what a full disk cuts off is taken back.
fn append(file: &mut File, lines: &[u8]) -> Result<()> {
    let length = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(length)?;
    }
    written.map_err(Into::into)
}
