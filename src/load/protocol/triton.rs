//! Triton with TensorRT-LLM's fields: `/v2/models/{model}/generate_stream` and `/generate`. It tells no token counts,
//! and its stream ends with its body.
//!
//! Captures: `tests/wire/triton-*.txt`, read by `tests/wire.rs`.

use crate::load::protocol::by_path::Places;
use crate::load::protocol::json_path::Step;
use crate::load::protocol::layout::{Fixed, Layout, Temperature};

pub(super) const STREAM_PATH: &str = "/v2/models/{model}/generate_stream";
pub(super) const WHOLE_PATH: &str = "/v2/models/{model}/generate";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "text_input",
    limit: "max_tokens",
    model: None,
    stream: Some("stream"),
    temperature: Temperature::At("temperature"),
    ignore_eos: None,
    least: None,
    // The model repository's first versions require them.
    fixed: &[("bad_words", Fixed::Text("")), ("stop_words", Fixed::Text(""))],
};

pub(super) const PLACES: Places<'_> = Places { text: &[&[Step::key("text_output")]], tokens: None };
