//! GKE's proxy before Sax, `/generate`: the answer comes whole, as a list of texts with their scores.

use crate::load::protocol::by_path::Places;
use crate::load::protocol::json_path::Step;
use crate::load::protocol::layout::{Layout, Temperature};

pub(super) const PATH: &str = "/generate";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "query",
    limit: "extra_inputs.per_example_max_decode_steps",
    model: Some("model"),
    stream: None,
    temperature: Temperature::At("extra_inputs.temperature"),
    ignore_eos: None,
    least: None,
    fixed: &[],
};

/// The second is what Google's inference-benchmark looks for.
pub(super) const PLACES: Places<'_> = Places {
    text: &[&[Step::Index(0), Step::Index(0)], &[Step::key("choices"), Step::Index(0), Step::key("text")]],
    tokens: None,
};
