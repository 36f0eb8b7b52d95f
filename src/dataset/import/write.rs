//! Our own form of a file of prompts: one object a line.

use std::io::Write;

use anyhow::Result;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::schema::unit::{Body, Content, Message, Prompt};

/// Writes a prompt as a line that is read back as the same prompt.
///
/// # Errors
/// It cannot be written.
pub fn write_prompt(file: &mut impl Write, prompt: &Prompt) -> Result<()> {
    serde_json::to_writer(&mut *file, &Line(prompt))?;
    file.write_all(b"\n")?;
    Ok(())
}

struct Line<'a>(&'a Prompt);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Prompt { id, category, body, max_tokens } = self.0;
        let mut line = to.serialize_map(None)?;
        line.serialize_entry("id", id)?;
        if !category.is_empty() {
            line.serialize_entry("category", category)?;
        }
        match body {
            Body::Text(text) => line.serialize_entry("prompt", text)?,
            Body::Messages(messages) => {
                let messages: Vec<Written<'_>> = messages.iter().map(Written).collect();
                line.serialize_entry("messages", &messages)?;
            }
        }
        if let Some(max_tokens) = max_tokens {
            line.serialize_entry("max_tokens", max_tokens)?;
        }
        line.end()
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
