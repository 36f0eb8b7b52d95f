//! The two file forms, read strictly: each mistake is one line that names the file, the line and the cure.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::entry::{Entry, KEYS};
use crate::schema::unit::Prompt;

/// Longer ids and categories are cut: they stand in every row, characters.
pub(super) const LONGEST_NAME: usize = 300;
/// A column's name is longer than this only by mistake, characters.
pub(super) const LONGEST_COLUMN: usize = 60;
/// The most columns that are named as passed over.
pub(super) const MOST_COLUMNS: usize = 20;

/// How a file holds its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON list of objects.
    List,
    /// One JSON object a line.
    Lines,
}

impl Form {
    /// By the file's name: `.jsonl` holds one object a line.
    pub(super) fn of(path: &Path) -> Self {
        let lines = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"));
        if lines { Form::Lines } else { Form::List }
    }
}

/// A dataset that cannot be used. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// No such file.
    #[error("dataset {file} does not exist: check the path, or leave --dataset out for the built-in prompts")]
    Missing {
        /// As it was given.
        file: String,
    },
    /// Bytes that are no UTF-8.
    #[error("{file}, line {line}: not UTF-8: save the file as UTF-8")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Where.
        line: usize,
    },
    /// No JSON.
    #[error("{file}, line {line}, column {column}: malformed JSON: {what}")]
    Malformed {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What the parser says.
        what: String,
    },
    /// JSON, but no list.
    #[error(
        "{file}, line {line}: expected a list of objects, [{{\"prompt\": \"…\"}}, …]; a file with one object a line must end in .jsonl"
    )]
    NotAList {
        /// The file.
        file: String,
        /// Where.
        line: usize,
    },
    /// No entry at all.
    #[error("dataset {file} is empty: it needs at least one entry such as {{\"prompt\": \"Hello\"}}")]
    Empty {
        /// The file.
        file: String,
    },
    /// An entry that cannot be used.
    #[error("{file}, line {line}: {what}")]
    Entry {
        /// The file.
        file: String,
        /// Where.
        line: usize,
        /// What is wrong with it, and the cure.
        what: String,
    },
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) prompts: Vec<Prompt>,
    /// Columns that say nothing to us, each once.
    pub(super) passed_over: Vec<String>,
}

/// Reads all entries of a file whose name is `file`.
pub(super) fn parse(text: &str, form: Form, file: &str) -> Result<Parsed, DatasetError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let spans = match form {
        Form::List => list(text, file)?,
        Form::Lines => lines(text),
    };
    if spans.is_empty() {
        return Err(DatasetError::Empty { file: file.to_owned() });
    }
    let mut first_lines = HashMap::new();
    let mut prompts = Vec::with_capacity(spans.len());
    let mut columns = BTreeSet::new();
    for (position, span) in spans.into_iter().enumerate() {
        let prompt = entry(&span, position + 1, file, &mut columns)?;
        if let Some(first) = first_lines.insert(prompt.id.clone(), span.line) {
            let what =
                format!("id `{}` is taken by line {first}: give each entry an id of its own", prompt.id);
            return Err(DatasetError::Entry { file: file.to_owned(), line: span.line, what });
        }
        prompts.push(prompt);
    }
    Ok(Parsed { prompts, passed_over: named_once(columns) })
}

/// The names of columns, and a sign that there are more.
pub(super) fn named_once(columns: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = columns.into_iter().collect();
    if names.len() > MOST_COLUMNS {
        names.truncate(MOST_COLUMNS);
        names.push("…".to_owned());
    }
    names
}

/// The text of one entry and where it starts.
struct Span<'a> {
    text: &'a str,
    line: usize,
    /// Columns before it in its first line.
    indent: usize,
}

fn list<'a>(text: &'a str, file: &str) -> Result<Vec<Span<'a>>, DatasetError> {
    if text.trim().is_empty() {
        return Err(DatasetError::Empty { file: file.to_owned() });
    }
    let start = text.len() - text.trim_start().len();
    if !text[start..].starts_with('[') {
        let line = 1 + newlines(&text[..start]);
        return match serde_json::from_str::<&RawValue>(text) {
            // One object a line is no JSON as a whole, and yet no typing error.
            Err(error) if !text[start..].starts_with('{') || error.line() == line => {
                Err(malformed(&error, 1, 0, file))
            }
            Ok(_) | Err(_) => Err(DatasetError::NotAList { file: file.to_owned(), line }),
        };
    }
    let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| malformed(&error, 1, 0, file))?;
    let mut line = 1;
    let mut counted_to = 0;
    Ok(raw
        .into_iter()
        .map(|value| {
            // A raw value is borrowed from the text: the difference of their addresses is its offset.
            let offset = value.get().as_ptr() as usize - text.as_ptr() as usize;
            line += newlines(&text[counted_to..offset]);
            counted_to = offset;
            let line_start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
            Span { text: value.get(), line, indent: offset - line_start }
        })
        .collect())
}

fn lines(text: &str) -> Vec<Span<'_>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| Span { text: line, line: index + 1, indent: 0 })
        .collect()
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// One entry; `position` counts from 1 and is its id where it has none. Columns that it has beside ours go to
/// `columns`.
fn entry(
    span: &Span<'_>,
    position: usize,
    file: &str,
    columns: &mut BTreeSet<String>,
) -> Result<Prompt, DatasetError> {
    let wrong = |what: String| DatasetError::Entry { file: file.to_owned(), line: span.line, what };
    let mut entry: Entry = serde_json::from_str(span.text).map_err(|error| {
        // The name of a key makes a mistake of the file look like one of the value.
        if let Err(error) = serde_json::from_str::<IgnoredAny>(span.text) {
            malformed(&error, span.line, span.indent, file)
        } else {
            let line = span.line + error.line().max(1) - 1;
            DatasetError::Entry { file: file.to_owned(), line, what: clip(&message(&error), LONGEST_NAME) }
        }
    })?;
    let others: Vec<String> = entry.passed_over.iter().map(|name| clip(name, LONGEST_COLUMN)).collect();
    let turns = entry.turns().map_err(|what| match others.as_slice() {
        [] => wrong(what),
        others => wrong(format!("{what}; it holds {}, and what is read is {KEYS}", others.join(", "))),
    })?;
    if columns.len() <= MOST_COLUMNS {
        columns.extend(others);
    }
    if turns.iter().any(|turn| turn.max_tokens == Some(0)) {
        return Err(wrong("`max_tokens` is 0: ask for at least 1 token or leave it out".to_owned()));
    }
    let mut turns = turns.into_iter();
    let Some(first) = turns.next() else { return Err(wrong("`turns` is empty: write one".to_owned())) };
    let id = entry.id.unwrap_or_else(|| position.to_string());
    if id.is_empty() {
        return Err(wrong("`id` is empty: name the entry or leave `id` out".to_owned()));
    }
    let category = clip(&entry.category.unwrap_or_default(), LONGEST_NAME);
    Ok(Prompt {
        id: short_id(id, span.line),
        category,
        body: first.body,
        max_tokens: first.max_tokens,
        further: turns.collect(),
    })
}

/// A long id is cut; its line keeps it apart from others that begin alike.
fn short_id(id: String, line: usize) -> String {
    cut_id(id, &format!("…line {line}"))
}

/// A long id ends in `end` instead.
pub(super) fn cut_id(id: String, line: &str) -> String {
    if id.chars().count() <= LONGEST_NAME {
        return id;
    }
    let begin: String = id.chars().take(LONGEST_NAME - line.chars().count()).collect();
    begin + line
}

pub(super) fn clip(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => text.chars().take(longest - 1).chain(['…']).collect(),
    }
}

fn malformed(error: &serde_json::Error, first_line: usize, indent: usize, file: &str) -> DatasetError {
    let in_line = error.line().max(1);
    DatasetError::Malformed {
        file: file.to_owned(),
        line: first_line + in_line - 1,
        column: if in_line == 1 { indent + error.column() } else { error.column() },
        what: clip(&message(error), LONGEST_NAME),
    }
}

/// serde_json's words, not without end.
pub(super) fn clipped_message(error: &serde_json::Error) -> String {
    clip(&message(error), LONGEST_NAME)
}

/// serde_json's words without its own position, which counts from the entry and not from the file.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}
