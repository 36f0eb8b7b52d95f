//! Vertex's handler of Hugging Face models: the answer comes whole. Its `max_length` counts the prompt too, so that
//! a limit goes as `max_tokens`.

use crate::load::http::sse::Event;
use crate::load::protocol::by_path::{self, Places};
use crate::load::protocol::json_path::Step;
use crate::load::protocol::layout::{Layout, Temperature};
use crate::load::protocol::terms::Payload;

/// As Google's inference-benchmark sends it; TorchServe's own is `/predictions/MODEL`.
pub(super) const PATH: &str = "/generate";

/// What stands before the answer where the prompt is given back with it.
const BEFORE_ANSWER: &str = "\nOutput:\n";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "instances.0.prompt",
    limit: "instances.0.max_tokens",
    model: None,
    stream: None,
    temperature: Temperature::At("instances.0.temperature"),
    ignore_eos: None,
    least: None,
    fixed: &[],
};

/// Older handlers have lists of objects, newer ones a text.
const PLACES: Places<'_> = Places {
    text: &[
        &[Step::key("predictions"), Step::Index(0), Step::Index(0), Step::key("generated_text")],
        &[Step::key("predictions"), Step::Index(0)],
    ],
    tokens: None,
};

/// What the reply says; an error, in words, where it is no JSON.
pub(super) fn read(event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
    let mut all = String::new();
    let payload = by_path::read(event, PLACES, text.is_some().then_some(&mut all))?;
    if let Some(text) = text {
        text.push_str(all.split_once(BEFORE_ANSWER).map_or(all.as_str(), |(_, answer)| answer));
    }
    Ok(payload)
}
