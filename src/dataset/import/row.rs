//! What an importer makes of one row.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::columns::{Columns, Seen};
use super::place::{Fault, Wrong};
use super::raw::{RawText, Reply};
use crate::dataset::parse::{LONGEST_COLUMN, MOST_COLUMNS, clip};
use crate::schema::reading::Turns;
use crate::schema::refusal::OrRefuse as _;
use crate::schema::unit::Body;

/// A row that makes a prompt.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row {
    /// None: it is named by its position.
    pub(super) id: Option<String>,
    pub(super) category: String,
    /// What a user says in it, in order; at least one.
    pub(super) turns: Vec<Exchange>,
    pub(super) max_tokens: Option<u32>,
}

/// What a user says, and the reply that the file holds.
#[derive(Debug, PartialEq)]
pub(super) struct Exchange {
    pub(super) body: Body,
    /// The text as the file has it: `body` is then empty.
    pub(super) raw: Option<RawText>,
    pub(super) reply: Option<Reply>,
    /// Output limit in tokens; none: the row's.
    pub(super) max_tokens: Option<u32>,
    /// Time between the answer before it and this turn, µs.
    pub(super) pause_us: u64,
}

impl Exchange {
    pub(super) fn of(body: Body) -> Exchange {
        Exchange { body, raw: None, reply: None, max_tokens: None, pause_us: 0 }
    }

    pub(super) fn text(text: impl Into<String>, reply: Option<String>) -> Exchange {
        Exchange { reply: reply.map(Reply::Text), ..Exchange::of(Body::Text(text.into())) }
    }
}

/// What a row came to.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    Row(Row),
    /// A sound row that makes no prompt, and why.
    LeftOut(&'static str),
}

impl Parsed {
    /// The same, unless it asks for nothing.
    pub(super) fn checked(self) -> Parse {
        let asks_for_nothing = match &self {
            Parsed::Row(row) => {
                row.max_tokens == Some(0) || row.turns.iter().any(|turn| turn.max_tokens == Some(0))
            }
            Parsed::LeftOut(_) => false,
        };
        if asks_for_nothing {
            return Err("`max_tokens` is 0: ask for at least 1 token or leave it out".into());
        }
        Ok(self)
    }
}

/// Why a row makes no prompt.
pub(super) const EMPTY_PROMPT: &str = "empty prompt";

/// A row, or what is wrong with it.
pub(super) type Parse = std::result::Result<Parsed, Wrong>;

/// Rows, one after another.
pub(super) trait Rows {
    /// The next row or what is wrong with it; none at the end. Behind a fault it goes on, where it can.
    ///
    /// # Errors
    /// The file cannot be read any further.
    fn next(&mut self, context: &mut Context) -> Result<Option<std::result::Result<Parsed, Fault>>>;
}

/// What came of reading on, with the cure where a file ends too early or its packing is broken.
pub(super) fn read_on<T, E: Into<anyhow::Error>>(read: std::result::Result<T, E>) -> Result<T> {
    read.or_refuse(|| "it cannot be read to its end".to_owned(), "check that the file is whole")
}

/// Makes a row of a record's text.
pub(super) type RowOf = fn(&str, &mut Context) -> Parse;

/// How rows are read, and what was seen in them.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) turns: Turns,
    pub(super) columns: Columns,
    /// Which of those are there.
    pub(super) seen: Seen,
    pub(super) passed_over: Names,
    /// Texts may be measured where they stand, and need not be read: nobody counts their tokens.
    pub(super) measures: bool,
    /// Records whose form wants them counted.
    pub(super) records: u64,
}

/// Columns that say nothing to us, each once, and not without end.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        if !self.0.contains(name) && self.0.len() <= MOST_COLUMNS {
            self.0.insert(clip(name, LONGEST_COLUMN));
        }
    }

    pub(super) fn into_list(self) -> Vec<String> {
        crate::dataset::parse::named_once(self.0)
    }
}

/// A text that is borrowed from the file where it holds no escape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> std::result::Result<Self, D::Error> {
        value.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> std::result::Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> std::result::Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: Error>(self, text: String) -> std::result::Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

/// A text from a file, not without end, as a message shows it.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 200;
    clip(text, LONGEST)
}
