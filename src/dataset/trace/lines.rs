//! The lines of a trace, the rows that are taken of them, and what may be wrong with them.

use std::io::{BufRead, Read as _};

use super::rows::Rows;

/// A line longer than this is none of a trace, bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// What is wrong with a trace. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Its form is none that is known.
    #[error("it is no trace that is known: {0}")]
    Unknown(String),
    /// It is not of the format that was named.
    #[error("it is no {0}: {1}")]
    Other(&'static str, String),
    /// A row that cannot be used.
    #[error("line {line}: {what}")]
    Row {
        /// Where.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A column that is read is there twice.
    #[error("two of its columns are named `{0}`")]
    Twice(String),
    /// It is a list.
    #[error("it is one JSON list, and a trace has one object a line")]
    List,
    /// It holds no row.
    #[error("it holds no request")]
    Empty,
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
}

/// Rows as they are taken, and those that are not.
pub(super) struct Taken {
    pub(super) rows: Rows,
    pub(super) bad: u64,
    pub(super) first_bad: Option<String>,
    pub(super) skip_bad: bool,
}

impl Taken {
    /// Takes what a line holds: all of it or nothing. One that cannot be used is an error, or counted.
    pub(super) fn line(
        &mut self,
        number: u64,
        read: impl FnOnce(&mut Rows) -> Result<(), String>,
    ) -> Result<(), TraceError> {
        self.rows.line = number;
        let before = self.rows.rows.len();
        match read(&mut self.rows) {
            Ok(()) => Ok(()),
            Err(what) if self.skip_bad => {
                self.rows.forget(before);
                self.bad += 1;
                self.first_bad.get_or_insert_with(|| format!("line {number}: {what}"));
                Ok(())
            }
            Err(what) => Err(TraceError::Row { line: number, what }),
        }
    }
}

/// Lines that hold something, without their ends.
pub(super) struct Lines<R> {
    pub(super) source: R,
    /// Of the last line, from 1.
    pub(super) number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, TraceError> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.source).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
                let what = format!("the line is longer than {} MiB", LONGEST_LINE >> 20);
                return Err(TraceError::Row { line: self.number, what });
            }
            while line.last().is_some_and(u8::is_ascii_whitespace) {
                line.pop();
            }
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}
