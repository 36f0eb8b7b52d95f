//! Where in a file a row is, and what is wrong with it.

use std::fmt;

/// Where a row is; all count from 1 but bytes, which count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A row that is a line.
    Line(u64),
    /// A record of a list.
    Record {
        /// Which.
        number: u64,
        /// The line of the file.
        line: u64,
        /// Where it begins.
        byte: u64,
    },
    /// A row of a file without lines.
    Row(u64),
    /// A place in the file.
    Byte(u64),
    /// The end of a file of so many bytes.
    End(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Record { number, line, byte } => {
                write!(f, "line {line} (record {number}, which begins at byte {byte})")
            }
            Place::Row(row) => write!(f, "row {row}"),
            Place::Byte(byte) => write!(f, "byte {byte}"),
            Place::End(byte) => write!(f, "byte {byte} (the end)"),
        }
    }
}

impl Place {
    /// The same, `lines` further down.
    pub(super) fn down(self, lines: u64) -> Place {
        match self {
            Place::Line(line) => Place::Line(line + lines),
            Place::Record { number, line, byte } => Place::Record { number, line: line + lines, byte },
            Place::Row(_) | Place::Byte(_) | Place::End(_) => self,
        }
    }
}

/// A row, or a piece of a file, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    pub(super) fn new(place: Place, what: impl Into<String>) -> Fault {
        Fault { place, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What is wrong with one record, before it is known where the record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Lines below the record's first.
    pub(super) lines_down: u64,
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn at(self, place: Place) -> Fault {
        Fault { place: place.down(self.lines_down), what: self.what }
    }
}

impl From<String> for Wrong {
    fn from(what: String) -> Wrong {
        Wrong { lines_down: 0, what }
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Wrong {
        Wrong { lines_down: 0, what: what.to_owned() }
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Wrong {
        let what = crate::dataset::parse::clipped_message(&error);
        let what = match error.classify() {
            serde_json::error::Category::Data => what,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => format!("malformed JSON: {what}"),
        };
        Wrong { lines_down: (error.line() as u64).saturating_sub(1), what }
    }
}
