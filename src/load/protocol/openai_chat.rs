//! OpenAI's chat completions, `/v1/chat/completions`.
//!
//! Captures of vLLM, SGLang, llama.cpp and TGI: `tests/wire/*-chat-*.txt`, read by `tests/wire.rs`.

use serde_json::{Map, Value, json};

use crate::schema::unit::Body;

use crate::load::protocol::openai;
use crate::load::protocol::terms::Ask;

pub(super) const PATH: &str = "/v1/chat/completions";

/// The conversation so far goes as messages.
pub(super) fn body(shared: &Map<String, Value>, ask: &Ask<'_>, min_tokens: bool) -> String {
    let mut fields = openai::own_body(shared, ask, min_tokens);
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let mut messages: Vec<Value> =
        ask.former.iter().map(|former| message(&former.role, &former.content)).collect();
    match ask.body {
        Body::Text(text) => messages.push(message("user", text)),
        Body::Messages(new) => messages.extend(new.iter().map(|new| message(&new.role, &new.content))),
    }
    fields.insert("messages".to_owned(), Value::Array(messages));
    Value::Object(fields).to_string()
}
