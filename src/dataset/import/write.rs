//! Our own form of a file of prompts: one object a line.

use std::io::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::raw::RawText;
use super::select::Picked;
use crate::schema::unit::{Body, Content, Message, Prompt};

/// Writes a prompt as a line that is read back as the same prompt.
///
/// # Errors
/// It cannot be written.
pub fn write_prompt(file: &mut impl Write, prompt: &Prompt) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *file, &Line(prompt))?;
    file.write_all(b"\n")?;
    Ok(())
}

/// The same of a prompt that was picked: texts that are in our own bytes already are copied.
///
/// # Errors
/// It cannot be written.
pub fn write_picked(file: &mut impl Write, picked: &Picked) -> anyhow::Result<()> {
    let prompt = picked.as_it_stands();
    let [first, further @ ..] = picked.raw() else { return write_prompt(file, prompt) };
    file.write_all(b"{\"id\":")?;
    serde_json::to_writer(&mut *file, &prompt.id)?;
    if !prompt.category.is_empty() {
        file.write_all(b",\"category\":")?;
        serde_json::to_writer(&mut *file, &prompt.category)?;
    }
    if further.is_empty() {
        file.write_all(b",")?;
        copy(file, first, prompt.max_tokens)?;
    } else {
        file.write_all(b",\"turns\":[{")?;
        copy(file, first, prompt.max_tokens)?;
        for (text, turn) in further.iter().zip(&prompt.further) {
            file.write_all(b"},{")?;
            copy(file, text, turn.max_tokens)?;
            if turn.pause_us > 0 {
                file.write_all(b",\"pause_s\":")?;
                serde_json::to_writer(&mut *file, &(turn.pause_us as f64 / 1e6))?;
            }
        }
        file.write_all(b"}]")?;
    }
    file.write_all(b"}\n")?;
    Ok(())
}

/// What is said, and its limit.
fn copy(file: &mut impl Write, text: &RawText, max_tokens: Option<u32>) -> anyhow::Result<()> {
    file.write_all(b"\"prompt\":\"")?;
    file.write_all(text.inside.as_bytes())?;
    file.write_all(b"\"")?;
    if let Some(max_tokens) = max_tokens {
        file.write_all(b",\"max_tokens\":")?;
        serde_json::to_writer(&mut *file, &max_tokens)?;
    }
    Ok(())
}

struct Line<'a>(&'a Prompt);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Prompt { id, category, body, max_tokens, further } = self.0;
        let mut line = to.serialize_map(None)?;
        line.serialize_entry("id", id)?;
        if !category.is_empty() {
            line.serialize_entry("category", category)?;
        }
        if further.is_empty() {
            say(&mut line, body, *max_tokens)?;
        } else {
            let first = WrittenTurn { body, max_tokens: *max_tokens, pause_us: 0 };
            let further = further.iter().map(|turn| WrittenTurn {
                body: &turn.body,
                max_tokens: turn.max_tokens,
                pause_us: turn.pause_us,
            });
            line.serialize_entry("turns", &std::iter::once(first).chain(further).collect::<Vec<_>>())?;
        }
        line.end()
    }
}

/// What is said, and its limit.
fn say<M: SerializeMap>(to: &mut M, body: &Body, max_tokens: Option<u32>) -> Result<(), M::Error> {
    match body {
        Body::Text(text) => to.serialize_entry("prompt", text)?,
        Body::Messages(messages) => {
            let messages: Vec<Written<'_>> = messages.iter().map(Written).collect();
            to.serialize_entry("messages", &messages)?;
        }
    }
    match max_tokens {
        Some(max_tokens) => to.serialize_entry("max_tokens", &max_tokens),
        None => Ok(()),
    }
}

/// One turn of several.
struct WrittenTurn<'a> {
    body: &'a Body,
    max_tokens: Option<u32>,
    pause_us: u64,
}

impl Serialize for WrittenTurn<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut turn = to.serialize_map(None)?;
        say(&mut turn, self.body, self.max_tokens)?;
        if self.pause_us > 0 {
            turn.serialize_entry("pause_s", &(self.pause_us as f64 / 1e6))?;
        }
        turn.end()
    }
}

struct Written<'a>(&'a Message);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Message { role, content, more } = self.0;
        let mut message = to.serialize_map(None)?;
        message.serialize_entry("role", role)?;
        match content {
            Content::Text(text) => message.serialize_entry("content", text)?,
            Content::Json(json) => message.serialize_entry("content", json)?,
        }
        for (name, value) in more {
            message.serialize_entry(name, value)?;
        }
        message.end()
    }
}
