//! OpenAI's text completions, `/v1/completions`.
//!
//! Captures of vLLM, SGLang, llama.cpp and TGI: `tests/wire/*-completions-*.txt`, read by `tests/wire.rs`.

use serde_json::{Map, Value, json};

use crate::load::protocol::openai;
use crate::load::protocol::terms::{Ask, Lengths};

pub(super) const PATH: &str = "/v1/completions";

/// The conversation so far goes as one text.
pub(super) fn body(shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> String {
    let mut fields = openai::own_body(shared, ask, lengths);
    fields.insert("prompt".to_owned(), json!(ask.text()));
    Value::Object(fields).to_string()
}
