//! The file of all runs as bytes: its lock, its last line, its cells, and the names that it gives way to.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use crate::schema::plan::file_stamp;

use super::bounded::{LONGEST_ROW, read_line};
use super::lock::{Patience, lock};
use super::name::numbered;

/// What the last column, `exit`, may say: a row that was cut in it is not whole.
const EXITS: [&[u8]; 3] = [b"ok", b"partial", b"failed"];

/// Opens and locks the file that bears the name when the lock is held: another process may have renamed
/// the one that was waited for.
pub(super) fn open_locked(path: &Path, patience: Patience<'_>) -> Result<File> {
    // A pipe of that name would be waited for without end.
    if std::fs::metadata(path).is_ok_and(|is| !is.is_file()) {
        bail!("it is no regular file");
    }
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        lock(&file, path, patience)?;
        let held = file.metadata()?;
        match std::fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The first line with its end; of a line without bound only its beginning.
pub(super) fn first_line(file: &mut File) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    // Too long a line is none of ours.
    let _ = read_line(&mut BufReader::new(file), &mut line, LONGEST_ROW);
    Ok(line)
}

/// True where the cells of a line are these.
pub(super) fn same_columns<S: AsRef<str>>(line: &[u8], header: &[S]) -> bool {
    cells(line).is_some_and(|columns| columns.iter().eq(header.iter().map(|name| name.as_ref().as_bytes())))
}

/// The cells of one line, in whatever encoding; none where it is empty.
pub(super) fn cells(line: &[u8]) -> Option<csv::ByteRecord> {
    // A spreadsheet that saved the file may have put a byte order mark before it.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line);
    reader.byte_records().next()?.ok()
}

/// Brings the file of these columns to a line's end. A last row without one is whole where it has all cells, and
/// stays: an editor saved it so. Another was cut off while it was written, and goes to a file of its own.
pub(super) fn end_last_line<S: AsRef<str>>(
    file: &mut File,
    path: &Path,
    header: &[S],
    at: Timestamp,
) -> Result<Option<PathBuf>> {
    let start = last_line_start(file)?;
    let length = file.metadata()?.len();
    if start == length {
        return Ok(None);
    }
    if length - start <= LONGEST_ROW {
        let mut last = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut last)?;
        if is_whole(&last, header) {
            let end = if first_line(file)?.ends_with(b"\r\n") { b"\r\n".as_slice() } else { b"\n" };
            append(file, end)?;
            return Ok(None);
        }
    }
    move_aside(file, start, path, at).map(Some)
}

fn is_whole<S: AsRef<str>>(line: &[u8], header: &[S]) -> bool {
    let Some(cells) = cells(line) else { return false };
    let last = cells.iter().next_back().unwrap_or_default();
    let ends_in_exit = header.last().is_some_and(|name| name.as_ref() == "exit");
    let is_header = cells.iter().eq(header.iter().map(|name| name.as_ref().as_bytes()));
    cells.len() == header.len() && (is_header || !ends_in_exit && !last.is_empty() || EXITS.contains(&last))
}

/// Moves what stands from `start` on into a file of its own.
pub(super) fn move_aside(file: &mut File, start: u64, path: &Path, at: Timestamp) -> Result<PathBuf> {
    let (mut aside, path) = create_beside(path, "broken", at)?;
    file.seek(SeekFrom::Start(start))?;
    std::io::copy(file, &mut aside)?;
    aside.write_all(b"\n")?;
    aside.sync_all()?;
    file.set_len(start)?;
    Ok(path)
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
    bail!("every name from {stem} on is taken")
}

/// Renames under the lock; the name is reserved first, so that no file is overwritten. Of a link it is the link
/// that is renamed: the file elsewhere stays as it is.
pub(super) fn rename_away(path: &Path, at: Timestamp) -> Result<PathBuf> {
    let (_, target) = create_beside(path, "until", at)?;
    std::fs::rename(path, &target)?;
    Ok(target)
}

/// One write; what a full disk cuts off is taken back.
pub(super) fn append(file: &mut File, lines: &[u8]) -> Result<()> {
    let length = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(length)?;
    }
    written.map_err(Into::into)
}
