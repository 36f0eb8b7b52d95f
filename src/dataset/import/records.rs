//! Cuts a file into records as its bytes come in: the elements of a JSON list, or lines. No more than one record
//! and one read is held, however long the file is.

use std::io::{self, ErrorKind, Read};

use memchr::{memchr, memchr_iter};

use super::brackets::Brackets;
use super::place::{Fault, Place};

/// Bytes of one read.
const READ: usize = 1 << 18;
/// The longest record, bytes: the longest prompts in use have a few million.
const LONGEST: usize = 64 << 20;

/// How a file holds its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// One JSON list.
    List,
    /// One record a line; blank lines are none.
    Lines,
}

/// One record's bytes and where they are.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) place: Place,
}

/// Where in a list the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before its `[`.
    Start,
    /// Behind its `[`.
    Opened,
    /// Behind a record.
    Value,
    /// Behind a comma.
    Comma,
    /// Behind something that is no record: goes on at the next object.
    Lost,
    /// At the end of what is read.
    End,
}

/// The records of a file.
pub(super) struct Records<R> {
    source: R,
    container: Container,
    at: At,
    buffer: Vec<u8>,
    /// What is read and not used up: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Bytes of the file before the buffer.
    before: u64,
    /// Line of `start`, from 1.
    line: u64,
    /// Records so far.
    number: u64,
    longest: usize,
}

/// What came next.
enum Step {
    Record { bytes: usize, line_ends: u64, skipped: usize },
    Wrong(Fault),
    End,
}

/// Why no more bytes came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    More,
    End,
    TooLong,
}

/// What a scan for a value's end came to.
enum Scan {
    Whole { bytes: usize, line_ends: u64 },
    Ended { in_string: bool },
    TooLong,
}

impl<R: Read> Records<R> {
    pub(super) fn new(source: R, container: Container) -> Self {
        Records::with_limits(source, container, READ, LONGEST)
    }

    /// With a buffer of `read` bytes at first and of `longest` at most.
    pub(super) fn with_limits(source: R, container: Container, read: usize, longest: usize) -> Self {
        Records {
            source,
            container,
            at: At::Start,
            buffer: vec![0; read],
            start: 0,
            end: 0,
            before: 0,
            line: 1,
            number: 0,
            longest,
        }
    }

    /// The same where the file has `bytes` before what is read.
    pub(super) fn behind(self, bytes: u64) -> Self {
        Records { before: bytes, ..self }
    }

    /// The next record; none at the end. Behind a fault it goes on, where it can.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<Record<'_>, Fault>>> {
        let step = match self.container {
            Container::List => self.step_in_list()?,
            Container::Lines => self.step_in_lines()?,
        };
        Ok(match step {
            Step::End => None,
            Step::Wrong(fault) => Some(Err(fault)),
            Step::Record { bytes, line_ends, skipped } => {
                self.number += 1;
                let place = match self.container {
                    Container::List => {
                        Place::Record { number: self.number, line: self.line, byte: self.byte() }
                    }
                    Container::Lines => Place::Line(self.line),
                };
                let from = self.start;
                self.line += line_ends;
                self.start += bytes + skipped;
                Some(Ok(Record { bytes: &self.buffer[from..from + bytes], place }))
            }
        })
    }

    /// Where `start` is in the file.
    fn byte(&self) -> u64 {
        self.before + self.start as u64
    }

    fn use_up(&mut self, bytes: usize) {
        self.line += memchr_iter(b'\n', &self.buffer[self.start..self.start + bytes]).count() as u64;
        self.start += bytes;
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads on. Offsets from `start` stay true.
    fn fill(&mut self) -> io::Result<Fill> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.before += self.start as u64;
                self.end -= self.start;
                self.start = 0;
            } else if self.buffer.len() >= self.longest {
                return Ok(Fill::TooLong);
            } else {
                let longer = (self.buffer.len() * 2).min(self.longest);
                self.buffer.resize(longer, 0);
            }
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(Fill::End),
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(Fill::More);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Uses up white space; the byte behind it, none at the end of the file.
    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = self.rest();
            let white = rest.iter().position(|byte| !byte.is_ascii_whitespace());
            let byte = white.map(|at| rest[at]);
            self.use_up(white.unwrap_or(rest.len()));
            if byte.is_some() {
                return Ok(byte);
            }
            if self.fill()? != Fill::More {
                return Ok(None);
            }
        }
    }

    fn step_in_list(&mut self) -> io::Result<Step> {
        if self.at == At::Lost {
            self.find_object()?;
        }
        loop {
            if self.at == At::End {
                return Ok(Step::End);
            }
            let Some(byte) = self.next_byte()? else { return Ok(self.ends_early()) };
            match (self.at, byte) {
                (At::Start, b'[') => self.pass(At::Opened),
                (At::Start, _) => return Ok(self.stop("expected `[`, the beginning of a list")),
                (At::Opened | At::Value, b']') => return self.close(),
                (At::Value, b',') => self.pass(At::Comma),
                (At::Value, _) => return Ok(self.lose("expected `,` or `]` behind a record")),
                (At::Opened | At::Comma, b',' | b']' | b'}' | b':') => {
                    let lost = self.lose("expected a record");
                    self.use_up(1);
                    return Ok(lost);
                }
                (At::Opened | At::Comma | At::Lost, _) => return self.record(),
                (At::End, _) => return Ok(Step::End),
            }
        }
    }

    fn pass(&mut self, at: At) {
        self.use_up(1);
        self.at = at;
    }

    /// Something else stands where a record or a comma should.
    fn lose(&mut self, what: &str) -> Step {
        self.at = At::Lost;
        Step::Wrong(Fault::new(self.here(), what))
    }

    /// Nothing more is read.
    fn stop(&mut self, what: &str) -> Step {
        self.at = At::End;
        Step::Wrong(Fault::new(self.here(), what))
    }

    fn here(&self) -> Place {
        Place::Byte(self.byte())
    }

    /// Goes on to the next object, or to the end.
    fn find_object(&mut self) -> io::Result<()> {
        loop {
            match memchr(b'{', self.rest()) {
                Some(at) => {
                    self.use_up(at);
                    return Ok(());
                }
                None => self.use_up(self.end - self.start),
            }
            if self.fill()? != Fill::More {
                self.at = At::End;
                return Ok(());
            }
        }
    }

    fn close(&mut self) -> io::Result<Step> {
        self.pass(At::End);
        Ok(match self.next_byte()? {
            None => Step::End,
            Some(_) => self.stop("something stands behind the end of the list"),
        })
    }

    fn ends_early(&mut self) -> Step {
        let what = match self.at {
            At::Start => "the file is empty",
            At::Opened | At::Value | At::Comma | At::Lost | At::End => {
                "the file ends without the `]` of its list"
            }
        };
        self.at = At::End;
        Step::Wrong(Fault::new(Place::End(self.before + self.end as u64), what))
    }

    fn record(&mut self) -> io::Result<Step> {
        self.at = At::Value;
        let (number, line, byte) = (self.number + 1, self.line, self.byte());
        Ok(match self.scan()? {
            Scan::Whole { bytes, line_ends } => Step::Record { bytes, line_ends, skipped: 0 },
            Scan::TooLong => self.too_long(),
            Scan::Ended { in_string } => {
                let inside = if in_string { "inside an open string, in record" } else { "inside record" };
                let what = format!(
                    "the file ends {inside} {number}, which begins at line {line}, byte {byte}: it was cut off"
                );
                self.at = At::End;
                Step::Wrong(Fault::new(Place::End(self.before + self.end as u64), what))
            }
        })
    }

    fn too_long(&mut self) -> Step {
        let place = Place::Record { number: self.number + 1, line: self.line, byte: self.byte() };
        self.at = At::End;
        let what = format!("it is longer than {} bytes: this is no list of prompts", self.longest);
        Step::Wrong(Fault::new(place, what))
    }

    /// Looks for the end of the value that begins at `start`.
    fn scan(&mut self) -> io::Result<Scan> {
        match self.rest().first() {
            Some(b'{' | b'[') => self.scan_brackets(),
            Some(_) | None => self.scan_scalar(),
        }
    }

    /// An object or a list.
    fn scan_brackets(&mut self) -> io::Result<Scan> {
        let (mut brackets, mut at) = (Brackets::default(), 0);
        loop {
            let whole = |bytes: usize, brackets: &Brackets| {
                Ok(Scan::Whole { bytes, line_ends: brackets.line_ends() })
            };
            if let Some(bytes) = brackets.blocks(self.rest(), &mut at) {
                return whole(bytes, &brackets);
            }
            let fill = self.fill()?;
            if fill == Fill::More {
                continue;
            }
            if let Some(bytes) = brackets.rest(&self.rest()[at..]) {
                return whole(at + bytes, &brackets);
            }
            return Ok(match fill {
                Fill::TooLong => Scan::TooLong,
                Fill::More | Fill::End => Scan::Ended { in_string: brackets.in_string() },
            });
        }
    }

    /// A text, a number or anything else: few, so byte by byte.
    fn scan_scalar(&mut self) -> io::Result<Scan> {
        let (mut at, mut depth, mut in_string, mut escaped) = (0, 0_usize, false, false);
        loop {
            let bytes = &self.buffer[self.start..self.end];
            while let Some(byte) = bytes.get(at) {
                let whole = |bytes_of: usize| {
                    let line_ends = memchr_iter(b'\n', &bytes[..bytes_of]).count() as u64;
                    Ok(Scan::Whole { bytes: bytes_of, line_ends })
                };
                at += 1;
                match byte {
                    _ if std::mem::take(&mut escaped) => {}
                    b'\\' if in_string => escaped = true,
                    b'"' => {
                        in_string = !in_string;
                        if !in_string && depth == 0 {
                            return whole(at);
                        }
                    }
                    _ if in_string => {}
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth > 1 => depth -= 1,
                    b'}' | b']' => return whole(at - 1 + depth),
                    b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return whole(at - 1),
                    _ => {}
                }
            }
            match self.fill()? {
                Fill::More => {}
                Fill::TooLong => return Ok(Scan::TooLong),
                Fill::End => return Ok(Scan::Ended { in_string }),
            }
        }
    }

    fn step_in_lines(&mut self) -> io::Result<Step> {
        if self.at == At::End || self.next_byte()?.is_none() {
            return Ok(Step::End);
        }
        // White space before a line's text is used up; what is left of the line is its record.
        let mut searched = 0;
        loop {
            let rest = self.rest();
            if let Some(found) = memchr(b'\n', &rest[searched..]) {
                let bytes = searched + found;
                let text = rest[..bytes].trim_ascii_end().len();
                return Ok(Step::Record { bytes: text, line_ends: 0, skipped: bytes - text });
            }
            searched = rest.len();
            match self.fill()? {
                Fill::More => {}
                Fill::TooLong => return Ok(self.too_long()),
                Fill::End => {
                    self.at = At::End;
                    let text = self.rest().trim_ascii_end().len();
                    return Ok(Step::Record { bytes: text, line_ends: 0, skipped: searched - text });
                }
            }
        }
    }
}
