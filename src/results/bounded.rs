//! What is read back has a largest size, whoever wrote it.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// The longest line of a file of records, bytes: an answer of ten million tokens has one of about 30 MB.
pub(super) const LONGEST_LINE: u64 = 64 << 20;
/// The largest JSON file, bytes.
pub(super) const LARGEST_JSON: u64 = 256 << 20;
/// The longest line of the file of all runs that is read, bytes.
pub(super) const LONGEST_ROW: u64 = 1 << 20;
/// The latest time in a run, µs: a year.
pub(super) const LATEST_US: u64 = 366 * 86_400 * 1_000_000;

/// Reads on to the end of a line, which is kept; the bytes read.
///
/// # Errors
/// The reader's, and a line of more than `most` bytes.
pub(super) fn read_line(from: &mut dyn BufRead, line: &mut Vec<u8>, most: u64) -> Result<usize> {
    let read = from.take(most + 1).read_until(b'\n', line)?;
    if read as u64 > most {
        return Err(Error::new(ErrorKind::InvalidData, format!("a line of more than {most} bytes")));
    }
    Ok(read)
}
