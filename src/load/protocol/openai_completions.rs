//! OpenAI's text completions, `/v1/completions`.
//!
//! Captures of vLLM, SGLang, llama.cpp and TGI: `tests/wire/*-completions-*.txt`, read by `tests/wire.rs`.

use serde_json::{Map, Value, json};

use crate::schema::unit::Body;

use crate::load::protocol::openai;
use crate::load::protocol::terms::Ask;

pub(super) const PATH: &str = "/v1/completions";

/// What stands between two texts of a conversation: this protocol has no roles.
const BETWEEN: &str = "\n\n";

/// The conversation so far goes as one text.
pub(super) fn body(shared: &Map<String, Value>, ask: &Ask<'_>, min_tokens: bool) -> String {
    let mut fields = openai::own_body(shared, ask, min_tokens);
    let mut texts: Vec<&str> = ask.former.iter().map(|former| former.content.as_str()).collect();
    match ask.body {
        Body::Text(text) => texts.push(text),
        Body::Messages(new) => texts.extend(new.iter().map(|new| new.content.as_str())),
    }
    fields.insert("prompt".to_owned(), json!(texts.join(BETWEEN)));
    Value::Object(fields).to_string()
}
