//! OpenAI's chat completions, `/v1/chat/completions`.
//!
//! Captures of vLLM, SGLang, llama.cpp and TGI: `tests/wire/*-chat-*.txt`, read by `tests/wire.rs`.

use serde_json::{Map, Value, json};

use crate::schema::unit::{Body, Content, Message};

use crate::load::protocol::openai;
use crate::load::protocol::terms::{Ask, Lengths};

pub(super) const PATH: &str = "/v1/chat/completions";

/// The conversation so far goes as messages.
pub(super) fn body(shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> String {
    let mut fields = openai::own_body(shared, ask, lengths);
    fields.insert("messages".to_owned(), messages(ask));
    Value::Object(fields).to_string()
}

/// The conversation so far, as OpenAI's messages.
pub(super) fn messages(ask: &Ask<'_>) -> Value {
    let mut messages: Vec<Value> = ask.former.iter().map(message).collect();
    match ask.body {
        Body::Text(text) => messages.push(json!({"role": "user", "content": text})),
        Body::Messages(new) => messages.extend(new.iter().map(message)),
    }
    Value::Array(messages)
}

fn message(message: &Message) -> Value {
    let content = match &message.content {
        Content::Text(text) => json!(text),
        Content::Json(value) => value.clone(),
    };
    let mut fields = message.more.clone();
    fields.insert("role".to_owned(), json!(message.role));
    fields.insert("content".to_owned(), content);
    Value::Object(fields)
}
