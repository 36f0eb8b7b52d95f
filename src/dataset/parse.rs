//! The two file forms, read strictly: each mistake is one line that names the file, the line and the cure.

use std::collections::HashMap;
use std::path::Path;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::schema::unit::Prompt;

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

/// One entry as it may be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"prompt\": \"…\"}")]
struct Entry {
    #[serde(default, deserialize_with = "id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "category")]
    category: String,
    #[serde(default, deserialize_with = "prompt")]
    prompt: Option<String>,
    #[serde(default, deserialize_with = "max_tokens")]
    max_tokens: Option<u32>,
}

// serde names no key when a value has the wrong type; these do.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(key: &str, value: D) -> Result<T, D::Error> {
    T::deserialize(value).map_err(|error| serde::de::Error::custom(format!("`{key}`: {error}")))
}

fn id<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    named("id", value).map(Some)
}

fn category<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    named("category", value)
}

fn prompt<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    named("prompt", value).map(Some)
}

fn max_tokens<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u32>, D::Error> {
    // serde would say "expected u32".
    named("max_tokens", value).map(|WholeNumber(number)| Some(number))
}

struct WholeNumber(u32);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_u64(WholeNumberVisitor)
    }
}

struct WholeNumberVisitor;

impl Visitor<'_> for WholeNumberVisitor {
    type Value = WholeNumber;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number of tokens, 1 or more")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<WholeNumber, E> {
        let fits = u32::try_from(number).ok();
        fits.map(WholeNumber).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// Reads all entries of a file whose name is `file`.
pub(super) fn parse(text: &str, form: Form, file: &str) -> Result<Vec<Prompt>, DatasetError> {
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
    for (position, span) in spans.into_iter().enumerate() {
        let prompt = entry(&span, position + 1, file)?;
        if let Some(first) = first_lines.insert(prompt.id.clone(), span.line) {
            let what =
                format!("id `{}` is taken by line {first}: give each entry an id of its own", prompt.id);
            return Err(DatasetError::Entry { file: file.to_owned(), line: span.line, what });
        }
        prompts.push(prompt);
    }
    Ok(prompts)
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

/// One entry; `position` counts from 1 and is its id where it has none.
fn entry(span: &Span<'_>, position: usize, file: &str) -> Result<Prompt, DatasetError> {
    let wrong = |what: String| DatasetError::Entry { file: file.to_owned(), line: span.line, what };
    let entry: Entry = serde_json::from_str(span.text).map_err(|error| {
        if error.is_data() {
            let line = span.line + error.line().max(1) - 1;
            DatasetError::Entry { file: file.to_owned(), line, what: message(&error) }
        } else {
            malformed(&error, span.line, span.indent, file)
        }
    })?;
    let prompt = entry.prompt.ok_or_else(|| wrong("the entry has no `prompt`: add one".to_owned()))?;
    if prompt.trim().is_empty() {
        return Err(wrong("`prompt` is empty: write a message or remove the entry".to_owned()));
    }
    if entry.max_tokens == Some(0) {
        return Err(wrong("`max_tokens` is 0: ask for at least 1 token or leave it out".to_owned()));
    }
    let id = entry.id.unwrap_or_else(|| position.to_string());
    if id.is_empty() {
        return Err(wrong("`id` is empty: name the entry or leave `id` out".to_owned()));
    }
    Ok(Prompt { id, category: entry.category, prompt, max_tokens: entry.max_tokens })
}

fn malformed(error: &serde_json::Error, first_line: usize, indent: usize, file: &str) -> DatasetError {
    let in_line = error.line().max(1);
    DatasetError::Malformed {
        file: file.to_owned(),
        line: first_line + in_line - 1,
        column: if in_line == 1 { indent + error.column() } else { error.column() },
        what: message(error),
    }
}

/// serde_json's words without its own position, which counts from the entry and not from the file.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}
