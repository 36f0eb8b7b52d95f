//! What a file is, by the beginning of its content: its name proves nothing.

use super::columns::Columns;
use super::csv;
use super::records::Container;
use super::row::short;
use crate::schema::reading::PromptFormat;

/// What a file was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detected {
    Prompts(PromptFormat),
    /// Times and lengths, no prompts; its columns.
    Trace(Vec<String>),
    /// Why it cannot be told, and its columns where it has some.
    Unclear(String, Vec<String>),
    Empty,
}

/// Names of columns, in small letters and without anything between words, that stand in traces alone.
const TRACE_COLUMNS: [&str; 10] = [
    "contexttokens",
    "generatedtokens",
    "requesttokens",
    "responsetokens",
    "inputlength",
    "outputlength",
    "hashids",
    "arrivedat",
    "numprefilltokens",
    "numdecodetokens",
];

/// By the first bytes of a file, of which `whole` says that there are no more.
pub(super) fn detect(head: &[u8], whole: bool, columns: &Columns) -> Detected {
    if head.starts_with(b"PAR1") {
        return Detected::Prompts(PromptFormat::Parquet);
    }
    let Some(text) = readable(head, whole) else {
        return unclear("it is no UTF-8 text: save it as UTF-8 first");
    };
    match text.trim_ascii_start().as_bytes().first() {
        None => Detected::Empty,
        Some(b'[' | b'{') => json(text, columns),
        Some(b'<') => unclear("it looks like XML or HTML"),
        Some(_) => table_or_text(text, whole, columns),
    }
}

/// How a JSON file holds its records.
pub(super) fn container(head: &[u8]) -> Container {
    match head.trim_ascii_start().first() {
        Some(b'[') => Container::List,
        Some(_) | None => Container::Lines,
    }
}

/// The head as text, without a character that its end cuts; none where it is no text.
fn readable(head: &[u8], whole: bool) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let acts = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n' | '\u{c}');
    (!text.contains(acts)).then_some(text)
}

fn json(text: &str, columns: &Columns) -> Detected {
    let text = text.trim_ascii_start();
    let list = text.starts_with('[');
    let first = if list { text[1..].trim_ascii_start() } else { text };
    if list && first.starts_with(']') {
        return Detected::Empty;
    }
    if !first.starts_with('{') {
        return unclear("its list holds something else than objects");
    }
    let (keys, one_line) = first_keys(first);
    if !list && !one_line {
        return unclear("it is one JSON object: a list, or one object a line, is read");
    }
    let has = |name: &str| keys.iter().any(|key| key == name);
    if has("conversations") || has("conversation") {
        return Detected::Prompts(PromptFormat::Sharegpt);
    }
    if has("body") && (has("custom_id") || has("url") || has("method")) {
        return Detected::Prompts(PromptFormat::OpenaiBatch);
    }
    if has("question_id") && has("turns") {
        return Detected::Prompts(PromptFormat::MtBench);
    }
    let ours = has("prompt") || has("messages") || has("turns");
    if ours || keys.iter().any(|key| columns.stands_for(key).is_some()) {
        return Detected::Prompts(PromptFormat::Jsonl);
    }
    if has("input") && has("context") {
        return Detected::Prompts(PromptFormat::Longbench);
    }
    if is_trace(&keys) {
        return Detected::Trace(keys);
    }
    Detected::Unclear(format!("its first record holds {}", named(&keys)), keys)
}

fn table_or_text(text: &str, whole: bool, columns: &Columns) -> Detected {
    let (names, delimiter) = csv::header(text);
    let has_prompts = names.iter().any(|name| {
        let plain = name.to_ascii_lowercase();
        matches!(plain.as_str(), "prompt" | "messages") || columns.stands_for(name).is_some()
    });
    // One word alone may be a line of text; a table whose first column has that name is one all the same.
    if has_prompts {
        return Detected::Prompts(PromptFormat::Csv);
    }
    if is_trace(&names) {
        return Detected::Trace(names);
    }
    if csv::is_table(text, whole, delimiter) {
        return Detected::Unclear(format!("it looks like a table with the columns {}", named(&names)), names);
    }
    Detected::Prompts(PromptFormat::Text)
}

fn unclear(why: &str) -> Detected {
    Detected::Unclear(why.to_owned(), Vec::new())
}

/// A column's name in small letters, without anything between words.
pub(super) fn plain_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_trace(names: &[String]) -> bool {
    names.iter().any(|name| TRACE_COLUMNS.contains(&plain_name(name).as_str()))
}

fn named(names: &[String]) -> String {
    const MOST: usize = 12;
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{}`", short(name))).collect();
    if names.len() > MOST {
        shown.push("…".to_owned());
    }
    if shown.is_empty() { "no column".to_owned() } else { shown.join(", ") }
}

/// The keys of the object that `text` begins with, as far as they can be seen, and whether it ends on the line on
/// which it begins.
fn first_keys(text: &str) -> (Vec<String>, bool) {
    let bytes = text.as_bytes();
    let (mut keys, mut depth, mut one_line, mut at) = (Vec::new(), 0, true, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                let behind = bytes[end..].trim_ascii_start().first();
                if depth == 1 && behind == Some(&b':') {
                    let key = serde_json::from_str(&text[at..end]);
                    keys.extend(key.ok());
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            b'\n' => one_line = false,
            _ => {}
        }
        at += 1;
    }
    (keys, one_line)
}

/// Behind the string that begins at `at`, or the end.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}
