//! A line of an engine's log without what its logger put before it: who wrote it, how grave it is, what it says.

use std::borrow::Cow;

use serde_json::Value;

/// How grave a logger called a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Up to a warning: whoever wrote it went on.
    Quiet,
    /// An error, or worse.
    Error,
}

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The process, where the line names one: `EngineCore pid=3285`, `TP0`.
    pub writer: Option<&'a str>,
    /// As its logger called it; none: plain output.
    pub level: Option<Level>,
    /// The message, with its own indentation.
    pub text: Cow<'a, str>,
}

impl<'a> LogLine<'a> {
    /// Takes a line apart. What is no prefix that we know stays in the text.
    pub fn parse(line: &'a str) -> Self {
        if let Some(parsed) = of_json(line) {
            return parsed;
        }
        let (mut writer, mut level, mut rest) = (None, None, line);
        // In front of its message a line may name process, time, level and place, each once or not at all.
        for _ in 0..6 {
            let before = rest;
            if let Some((name, after)) = named_process(rest) {
                (writer, rest) = (writer.or(Some(name)), after);
            }
            if let Some((name, after)) = bracketed_time(rest) {
                (writer, rest) = (writer.or(name), after);
            }
            rest = product(rest).unwrap_or(rest);
            if let Some((found, after)) = google_prefix(rest) {
                (level, rest) = (level.or(Some(found)), after);
            }
            if let Some(after) = time(rest) {
                rest = after;
                if let Some((found, after)) = fields_after_time(rest) {
                    (level, rest) = (level.or(Some(found)), after);
                }
            }
            if level.is_none()
                && let Some((found, after)) = level_word(rest)
            {
                (level, rest) = (Some(found), place(after).unwrap_or(after));
            }
            if let Some(after) = place(rest).filter(|_| level.is_some()) {
                rest = after;
            }
            if rest.len() == before.len() {
                break;
            }
        }
        // An exception group draws a tree in front of each of its tracebacks.
        let bare = rest.trim_start().trim_start_matches("+ ");
        let text =
            bare.strip_prefix("| ").unwrap_or(if bare.contains("Group Traceback") { bare } else { rest });
        LogLine { writer, level, text: Cow::Borrowed(text) }
    }

    /// True where a logger called it less than an error.
    pub fn is_quiet(&self) -> bool {
        self.level == Some(Level::Quiet)
    }
}

/// `{"level": "ERROR", "fields": {"message": …}}`, as TGI and Dynamo can write.
fn of_json(line: &str) -> Option<LogLine<'_>> {
    let object: Value = line.starts_with('{').then(|| serde_json::from_str(line).ok())??;
    let text = |name: &str| object.get(name).or_else(|| object.get("fields")?.get(name))?.as_str();
    let message = ["message", "msg", "event"].into_iter().find_map(text)?;
    let level = ["level", "levelname", "severity"].into_iter().find_map(text).and_then(level_named);
    Some(LogLine { writer: None, level, text: Cow::Owned(message.to_owned()) })
}

/// `(EngineCore pid=3285) …`, `[rank0]: …`
fn named_process(text: &str) -> Option<(&str, &str)> {
    if let Some((name, after)) = text.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        && name.contains("pid=")
        && name.len() < 80
    {
        return Some((name, one_blank(after)));
    }
    let (name, after) = text.strip_prefix('[')?.split_once("]:")?;
    (name.starts_with("rank") && name.len() < 12).then(|| (name, one_blank(after)))
}

/// `[TensorRT-LLM][ERROR] …`, `[TRT-LLM] [E] …`: the engine names itself before the level.
fn product(text: &str) -> Option<&str> {
    let after = text.strip_prefix("[TensorRT-LLM]").or_else(|| text.strip_prefix("[TRT-LLM]"))?;
    Some(after.trim_start()).filter(|after| after.starts_with('['))
}

/// `[2026-11-28 04:44:57 TP0] …`: the rank behind the time is the process.
fn bracketed_time(text: &str) -> Option<(Option<&str>, &str)> {
    let (inner, after) = text.strip_prefix('[')?.split_once(']')?;
    let rest = time(inner).or_else(|| time(&text[1..]).map(|_| ""))?;
    let name = rest.trim();
    Some(((!name.is_empty() && name.len() < 24).then_some(name), one_blank(after)))
}

/// `E1127 22:30:27.614786 12 file.cc:207] …`, in square brackets where PyTorch writes it.
fn google_prefix(text: &str) -> Option<(Level, &str)> {
    let inner = text.strip_prefix('[').unwrap_or(text);
    let level = match inner.chars().next()? {
        'E' | 'F' => Level::Error,
        'I' | 'W' => Level::Quiet,
        _ => return None,
    };
    let digits = inner.get(1..5)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !inner.get(5..)?.starts_with(' ') {
        return None;
    }
    let (_, after) = inner.split_once("] ")?;
    Some((level, after))
}

/// What follows a time at the beginning: `2026-11-28T04:44:57.123Z`, `11-27 22:30:30`, `0.00.010.452`.
fn time(text: &str) -> Option<&str> {
    let is_stamp = |word: &str| {
        let marks = word.bytes().filter(|byte| matches!(byte, b'-' | b':' | b'.' | b'/')).count();
        let plain = |byte: u8| byte.is_ascii_digit() || b"-:./,TZ+".contains(&byte);
        marks >= 1 && word.len() >= 5 && word.bytes().all(plain) && word.as_bytes()[0].is_ascii_digit()
    };
    let (first, after) = text.split_once(' ').unwrap_or((text, ""));
    if !is_stamp(first) {
        return None;
    }
    match after.split_once(' ').unwrap_or((after, "")) {
        (second, after) if is_stamp(second) && second.contains(':') => Some(after),
        _ => Some(after),
    }
}

/// `| ERROR    | module:line - …` and `- name - ERROR - …`, behind a time.
fn fields_after_time(text: &str) -> Option<(Level, &str)> {
    if let Some((word, after)) = text.strip_prefix("| ").and_then(|inner| inner.split_once('|')) {
        let message = after.split_once(" - ").map_or(after, |(_, message)| message);
        return Some((level_named(word.trim())?, message));
    }
    let mut rest = text.strip_prefix("- ")?;
    for _ in 0..3 {
        let (field, after) = rest.split_once(" - ")?;
        if let Some(level) = level_named(field.trim()) {
            return Some((level, after));
        }
        rest = after;
    }
    None
}

/// `ERROR …`, `ERROR:    …`, `ERROR:root:…`, `[ERROR] …`, `E …` behind a time.
fn level_word(text: &str) -> Option<(Level, &str)> {
    // tracing puts short names to the right; four blanks are a traceback's.
    let padding = text.len() - text.trim_start_matches(' ').len();
    let text = text[if padding <= 2 { padding } else { 0 }..].trim_start_matches('[');
    let end = text.find(|c: char| !c.is_ascii_alphabetic())?;
    let (word, after) = text.split_at(end);
    let level = level_named(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase()))?;
    let after = after.trim_start_matches(']');
    match after.strip_prefix(':') {
        Some(after) => Some((level, after.trim_start())),
        None => after.strip_prefix(' ').map(|after| (level, after)),
    }
}

fn level_named(word: &str) -> Option<Level> {
    match word.to_ascii_uppercase().as_str() {
        "ERROR" | "ERR" | "CRITICAL" | "FATAL" | "SEVERE" | "E" => Some(Level::Error),
        "WARNING" | "WARN" | "INFO" | "DEBUG" | "TRACE" | "NOTICE" | "I" | "W" | "D" => Some(Level::Quiet),
        _ => None,
    }
}

/// What follows where in the source a logger stood: `[core.py:1330] …`.
fn place(text: &str) -> Option<&str> {
    let rest = time(text).unwrap_or(text);
    let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
    let (file, line) = inner.rsplit_once(':')?;
    let known = file.contains('.') && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    known.then(|| one_blank(after))
}

/// Further blanks are the message's own: by them a traceback's frames are told from its end.
fn one_blank(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loggers_put_before_a_message_is_taken_off() {
        use Level::{Error, Quiet};
        let cases = [
            (
                "(EngineCore pid=3285) ERROR 11-27 22:30:30 [core.py:1330] X: y",
                Some("EngineCore pid=3285"),
                Some(Error),
                "X: y",
            ),
            ("(APIServer pid=2)   File \"x\"", Some("APIServer pid=2"), None, "  File \"x\""),
            (
                "(W pid=2) ERROR 11-27 22:30:30 [core.py:1]     self.run()",
                Some("W pid=2"),
                Some(Error),
                "    self.run()",
            ),
            ("INFO 11-27 22:30:30 [a.py:1] hello", None, Some(Quiet), "hello"),
            ("[2026-11-28 04:44:57 TP0] Scheduler hit: x", Some("TP0"), None, "Scheduler hit: x"),
            ("[2026-11-28 04:44:57] Ignore import error", None, None, "Ignore import error"),
            ("0.00.010.452 E gguf_init: failed", None, Some(Error), "gguf_init: failed"),
            ("0.00.010.452 I srv  load: x", None, Some(Quiet), "srv  load: x"),
            ("ERROR:    [Errno 98] in use", None, Some(Error), "[Errno 98] in use"),
            ("ERROR:root:bad", None, Some(Error), "root:bad"),
            ("2024-05-01T10:00:00.123456Z ERROR launcher: bad", None, Some(Error), "launcher: bad"),
            ("2024-05-01T10:00:00.123456Z  INFO launcher: ok", None, Some(Quiet), "launcher: ok"),
            ("2026-11-28 04:44:57,123 - mine.server - ERROR - bad", None, Some(Error), "bad"),
            ("2026-11-28 04:44:57.123 | ERROR    | mine:main:12 - bad", None, Some(Error), "bad"),
            ("[TensorRT-LLM][ERROR] bad", None, Some(Error), "bad"),
            ("[11/28/2026-04:44:57] [TRT-LLM] [E] bad", None, Some(Error), "bad"),
            ("[TensorRT-LLM][INFO] ok", None, Some(Quiet), "ok"),
            ("[rank0]: Traceback (most", Some("rank0"), None, "Traceback (most"),
            ("[W1127 22:30:27.614 socket.cpp:207] [c10d] no", None, Some(Quiet), "[c10d] no"),
            ("E0101 00:00:00.1 12 a.cc:2] bad", None, Some(Error), "bad"),
            (r#"{"level":"ERROR","fields":{"message":"bad"},"target":"t"}"#, None, Some(Error), "bad"),
            ("  | ValueError: x", None, None, "ValueError: x"),
            ("Error: bad", None, None, "Error: bad"),
            ("usage: x [-h]", None, None, "usage: x [-h]"),
            ("", None, None, ""),
            ("   ", None, None, "   "),
        ];
        for (line, writer, level, text) in cases {
            let parsed = LogLine::parse(line);
            assert_eq!((parsed.writer, parsed.level, parsed.text.as_ref()), (writer, level, text), "{line}");
        }
    }
}
