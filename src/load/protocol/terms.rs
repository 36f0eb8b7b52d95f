//! What every protocol speaks of: what is asked for, how an answer is cut into events, and what an event says.

use serde::Deserialize;

use crate::schema::unit::{Body, Message};
use crate::secrets::from_outside;

/// One request, before a protocol makes bytes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// The unit's id.
    pub(crate) id: &'a str,
    /// The model, where it is not the target's.
    pub(crate) model: Option<&'a str>,
    /// The turns before, each with the server's answer.
    pub(crate) former: &'a [Message],
    pub(crate) body: &'a Body,
    pub(crate) max_tokens: u32,
}

/// How the body of an answer is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "OpenAI's protocols are event streams; others are not"))]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// JSON values that follow each other, whatever the content type says.
    JsonStream,
    /// One JSON value, whole when the body ends.
    Whole,
}

/// What one event says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    /// It carries generated text, reasoning or a tool call.
    pub(crate) token: bool,
    /// It carries answer text or a tool call, not only reasoning.
    pub(crate) answer: bool,
    /// Why generation ended, where it has.
    pub(crate) finish: Option<Finish>,
    pub(crate) usage: Option<Usage>,
    /// The message of an error.
    pub(crate) error: Option<String>,
    /// It is the marker that ends the answer.
    pub(crate) done: bool,
}

/// Why generation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finish {
    /// The server's word.
    pub(crate) word: String,
    pub(crate) kind: FinishKind,
}

/// What the word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishKind {
    /// The model said that it was done.
    Stopped,
    /// A length, a tool call or another proper end.
    Other,
    /// The server gave up.
    Failed,
}

/// The server's token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) completion_tokens: Option<u32>,
    pub(crate) prompt_tokens_details: Option<PromptDetails>,
}

/// Details of a prompt's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct PromptDetails {
    pub(crate) cached_tokens: Option<u32>,
}

/// One line of at most 300 characters, safe to show. A key is hidden before the cut, which would leave half of it.
pub(crate) fn clip(text: &str) -> String {
    let text = from_outside(text);
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(300) {
        None => line,
        Some((end, _)) => {
            line.truncate(end);
            line.push('…');
            line
        }
    }
}
