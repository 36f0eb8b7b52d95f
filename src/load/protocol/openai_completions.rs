//! OpenAI's text completions, `/v1/completions`.
//!
//! Captures of vLLM, SGLang, llama.cpp and TGI: `tests/wire/*-completions-*.txt`, read by `tests/wire.rs`.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::schema::unit::Body;

use crate::load::protocol::openai;
use crate::load::protocol::terms::{Ask, Lengths};

pub(super) const PATH: &str = "/v1/completions";

/// What stands between two texts of a conversation: this protocol has no roles.
const BETWEEN: &str = "\n\n";

/// The conversation so far goes as one text.
pub(super) fn body(shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> String {
    let mut fields = openai::own_body(shared, ask, lengths);
    let mut texts: Vec<Cow<'_, str>> = ask.former.iter().filter_map(|former| former.content.text()).collect();
    match ask.body {
        Body::Text(text) => texts.push(text.into()),
        Body::Messages(new) => texts.extend(new.iter().filter_map(|new| new.content.text())),
    }
    fields.insert("prompt".to_owned(), json!(texts.join(BETWEEN)));
    Value::Object(fields).to_string()
}
