//! GKE's proxy before JetStream, `/generate`: JSON objects one after another, or one. JetStream's own HTTP takes
//! another body, and refuses what it does not know: for that there are templates.

use crate::load::protocol::by_path::Places;
use crate::load::protocol::json_path::Step;
use crate::load::protocol::layout::{Layout, Temperature};

pub(super) const PATH: &str = "/generate";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "prompt",
    limit: "max_tokens",
    model: None,
    stream: Some("stream"),
    temperature: Temperature::Unsaid,
    ignore_eos: None,
    least: None,
    fixed: &[],
};

/// Of a stream, and of an answer that comes whole.
pub(super) const PLACES: Places<'_> =
    Places { text: &[&[Step::key("text")], &[Step::key("response")]], tokens: None };
