//! The cells of a table's row, line by line.

use std::collections::VecDeque;
use std::io::BufRead;

use super::lines::{Lines, TraceError};

/// A row that takes more is none, bytes: a quote was left open.
const LONGEST_ROW: usize = 1 << 20;

/// The cells of one row.
#[derive(Debug, Default)]
pub(super) struct Cells {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Cells {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[begin..end])
    }

    /// None holds anything.
    pub(super) fn are_empty(&self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds the cells of a line, `delimiter` between them; `inside`: it begins within a quoted one. True where it ends within one.
    ///
    /// A quote means something at the beginning of a cell alone, as the readers of CSV have it.
    fn add(&mut self, line: &[u8], delimiter: u8, mut inside: bool) -> bool {
        let (mut at, mut begins) = (0, !inside);
        if inside {
            self.bytes.push(b'\n');
        }
        while at < line.len() {
            match line[at] {
                b'"' if inside && line.get(at + 1) == Some(&b'"') => {
                    self.bytes.push(b'"');
                    at += 1;
                }
                b'"' if inside => inside = false,
                b'"' if begins => inside = true,
                byte if byte == delimiter && !inside => {
                    self.ends.push(self.bytes.len());
                    at += 1;
                    begins = true;
                    continue;
                }
                byte => self.bytes.push(byte),
            }
            begins = false;
            at += 1;
        }
        if !inside {
            self.ends.push(self.bytes.len());
        }
        inside
    }
}

/// The rows of a table. A row is a line, but for a quoted cell that goes on behind its end.
pub(super) struct TableRows<R> {
    lines: Lines<R>,
    /// Lines that were looked at, with their numbers.
    ahead: VecDeque<(u64, Vec<u8>)>,
    /// Those of them that the last row took.
    took: usize,
    /// What stands between cells.
    delimiter: u8,
    pub(super) cells: Cells,
}

/// How a row was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableRow {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// Lines behind it that it takes.
    pub(super) further: usize,
    /// A quoted cell of it has no end.
    pub(super) is_open: bool,
}

impl<R: BufRead> TableRows<R> {
    pub(super) fn new(lines: Lines<R>, delimiter: u8) -> Self {
        TableRows { lines, ahead: VecDeque::new(), took: 0, delimiter, cells: Cells::default() }
    }

    /// The next one; its cells are in `cells`. `spans`: a quoted cell may go on behind the end of its line.
    pub(super) fn next(&mut self, spans: bool) -> Result<Option<TableRow>, TraceError> {
        self.ahead.drain(..self.took);
        self.took = 0;
        if self.ahead.is_empty() && !self.look()? {
            return Ok(None);
        }
        let Some((line, first)) = self.ahead.pop_front() else { return Ok(None) };
        self.cells.clear();
        let mut is_open = self.cells.add(&first, self.delimiter, false);
        while is_open && spans && self.cells.bytes.len() < LONGEST_ROW {
            if self.took == self.ahead.len() && !self.look()? {
                break;
            }
            is_open = self.cells.add(&self.ahead[self.took].1, self.delimiter, true);
            self.took += 1;
        }
        let further = self.took;
        if is_open {
            self.took = 0;
        }
        Ok(Some(TableRow { line, further, is_open }))
    }

    /// The last row was none: what was taken behind its first line is read again, as rows of its own.
    pub(super) fn put_back(&mut self) {
        self.took = 0;
    }

    /// One line more is looked at; false at the end.
    fn look(&mut self) -> Result<bool, TraceError> {
        let Some(line) = self.lines.next()? else { return Ok(false) };
        self.ahead.push_back((self.lines.number, line));
        Ok(true)
    }
}
