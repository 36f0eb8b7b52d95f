//! Rows as they are read, and what a format says of where they stand.

use std::collections::HashMap;

use crate::schema::trace::{TraceFormat, TraceRow};

/// The most rows of a file: each has a number of 32 bits.
const MOST_ROWS: usize = u32::MAX as usize;

/// A length beyond this is a mistake: a prompt of it would be 100 MB, tokens.
const MOST_TOKENS: u32 = 1 << 24;

/// What a file shows of itself: the names of its first line's columns, or the keys of its first object.
#[derive(Debug)]
pub(super) struct Head {
    /// Names, as they are written.
    pub(super) names: Vec<String>,
    /// The lines are JSON objects.
    pub(super) json: bool,
    /// Names of what holds an object, of JSON.
    pub(super) objects: Vec<String>,
    /// What stands between the columns of a table.
    pub(super) delimiter: u8,
}

impl Head {
    /// What it shows, in words.
    pub(super) fn shown(&self) -> String {
        if self.names.is_empty() {
            return "its first line is neither a line of column names nor a JSON object".to_owned();
        }
        let names: Vec<String> = self.names.iter().take(12).map(|name| clip(name)).collect();
        format!("it holds {}", names.join(", "))
    }

    /// All of these are there.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.names.iter().any(|own| own == name))
    }
}

/// A format: how it is told, and how it is read.
pub(super) struct Format {
    /// Which.
    pub(super) format: TraceFormat,
    /// Whether a file is one.
    pub(super) is: fn(&Head) -> bool,
    /// How its rows are read.
    pub(super) reader: Reader,
}

/// How rows are read.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// A table with a line of names.
    Table(Names),
    /// An object a line, with one request or several.
    Lines(fn(&[u8], &mut Rows) -> Result<(), String>),
}

/// Names of a table's columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// When a request came.
    pub(super) time: &'static str,
    /// Tokens of its prompt.
    pub(super) input: &'static str,
    /// Tokens of its answer.
    pub(super) output: &'static str,
    /// Whose it is; a column that may be missing.
    pub(super) session: Option<&'static str>,
}

/// One row as a format reads it.
#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    pub(super) at_us: u64,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
    pub(super) blocks: Box<[u64]>,
    /// Empty: nobody knows.
    pub(super) session: &'a str,
    /// The prompt itself, where the file holds it.
    pub(super) prompt: Option<String>,
}

/// Rows so far.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<TraceRow>,
    /// Prompts that the file holds, by the row's index.
    pub(super) prompts: HashMap<u32, String>,
    sessions: HashMap<Box<str>, u32>,
    /// The first turn of a conversation by the id of each of its turns.
    chains: HashMap<Box<str>, Box<str>>,
    /// The line that is being read, from 1.
    pub(super) line: u64,
    /// Times are dates, or numbers; none: there was no row yet.
    pub(super) dated: Option<bool>,
}

impl Rows {
    /// Adds one.
    pub(super) fn push(&mut self, raw: Raw<'_>) -> Result<(), String> {
        if self.rows.len() >= MOST_ROWS {
            return Err("the file has more rows than can be counted".to_owned());
        }
        for tokens in [raw.input_tokens, raw.output_tokens] {
            if tokens > MOST_TOKENS {
                return Err(format!("{tokens} tokens are more than any model takes"));
            }
        }
        let index = self.rows.len() as u32;
        let session = (!raw.session.is_empty()).then(|| self.session(raw.session));
        if let Some(prompt) = raw.prompt {
            self.prompts.insert(index, prompt);
        }
        self.rows.push(TraceRow {
            at_us: raw.at_us,
            input_tokens: raw.input_tokens,
            output_tokens: raw.output_tokens,
            index,
            line: u32::try_from(self.line).unwrap_or(u32::MAX),
            blocks: raw.blocks,
            session,
            failed: raw.output_tokens == 0,
        });
        Ok(())
    }

    /// Leaves but the first so many.
    pub(super) fn forget(&mut self, left: usize) {
        for row in self.rows.drain(left..) {
            self.prompts.remove(&row.index);
        }
    }

    /// The first turn of the conversation that a turn is of.
    pub(super) fn chain(&self, id: &str) -> Option<String> {
        self.chains.get(id).map(|first| first.to_string())
    }

    /// A turn is of the conversation that began with another.
    pub(super) fn follow(&mut self, id: &str, first: &str) {
        self.chains.insert(id.into(), first.into());
    }

    fn session(&mut self, name: &str) -> u32 {
        if let Some(number) = self.sessions.get(name) {
            return *number;
        }
        let number = self.sessions.len() as u32;
        self.sessions.insert(name.into(), number);
        number
    }
}

/// A count of tokens as a table writes it: `472`, or a float without a fraction, `472.0`.
pub(super) fn tokens(text: &str, what: &str) -> Result<u32, String> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        Some(_) | None => text,
    };
    whole.parse().map_err(|_| match whole.is_empty() {
        true => format!("{what} is empty"),
        false => format!("{what} '{}' is no number of tokens", clip(text)),
    })
}

/// The beginning of a text of any length.
pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
