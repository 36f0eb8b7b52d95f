//! What a protocol asks of those who make a plan: its paths, its fields, what it can do.

use crate::schema::plan::HttpSettings;
use crate::schema::target::{Capabilities, ProtocolName};

use crate::load::protocol::layout::{Layout, is_called};
use crate::load::protocol::{Protocol, layout_of, paths};

/// Stands in a path for the model.
pub const MODEL_IN_PATH: &str = "{model}";

/// The path of a protocol below the server's URL, unless another is asked for; empty where only the user can know it.
pub fn default_path(protocol: ProtocolName) -> &'static str {
    let [streamed, whole] = paths(protocol);
    streamed.or(whole).unwrap_or("")
}

/// The same of answers that come whole.
pub fn whole_path(protocol: ProtocolName) -> &'static str {
    let [streamed, whole] = paths(protocol);
    whole.or(streamed).unwrap_or("")
}

/// Answers of the protocol can come piece by piece.
pub fn can_stream(protocol: ProtocolName) -> bool {
    protocol == ProtocolName::Template || paths(protocol)[0].is_some()
}

/// The name of the model goes to the server.
pub fn names_model(http: &HttpSettings) -> bool {
    let in_body = match (layout_of(http.protocol), &http.template) {
        (Some(layout), _) => layout.model.is_some(),
        (None, Some(template)) => template.body.contains(MODEL_IN_PATH),
        (None, None) => true,
    };
    in_body || http.path.contains(MODEL_IN_PATH)
}

/// The fields of a body that flags of their own decide.
#[derive(Debug, Clone, Copy)]
pub struct OwnFields {
    /// What is asked.
    pub prompt: &'static str,
    /// The output limit.
    pub limit: &'static str,
    /// The model.
    pub model: Option<&'static str>,
    /// Whether the answer comes piece by piece.
    pub stream: Option<&'static str>,
}

/// Those of a protocol; none of OpenAI's and of a template.
pub fn own_fields(protocol: ProtocolName) -> Option<OwnFields> {
    let layout = layout_of(protocol)?;
    let Layout { prompt, limit, model, stream, .. } = *layout;
    Some(OwnFields { prompt, limit, model, stream })
}

/// The settings can be played.
///
/// # Errors
/// Their template is none, in words.
pub fn check(http: &HttpSettings) -> Result<(), String> {
    Protocol::of(http).map(|_| ())
}

/// What an engine's file says of OpenAI's protocols, as it holds for this one.
pub fn adapt(capabilities: &mut Capabilities, protocol: ProtocolName) {
    if protocol.is_openai() {
        return;
    }
    let layout = layout_of(protocol);
    let ignores = layout.is_some_and(|layout| layout.ignore_eos.is_some());
    capabilities.ignore_eos &= ignores;
    capabilities.fields.try_ignore_eos &= ignores;
    capabilities.min_tokens &= layout.is_some_and(|layout| layout.least.is_some());
    capabilities.force_length.clear();
    capabilities.stream_options = false;
    capabilities.continuous_usage = false;
    if let Some(layout) = layout {
        layout.limit.clone_into(&mut capabilities.fields.limit);
    }
}

/// An answer's length can be forced over this protocol.
pub fn forces_length(protocol: ProtocolName) -> bool {
    protocol.is_openai() || layout_of(protocol).is_some_and(|layout| layout.ignore_eos.is_some())
}

/// The place of the output limit that the user calls `name`.
pub fn limit_field(protocol: ProtocolName, name: &str) -> String {
    layout_of(protocol).map_or_else(|| name.to_owned(), |layout| layout.limit_called(name))
}

/// The fields that the protocol sends itself and that may be left out; none of OpenAI's and of a template.
pub fn sent_fields(protocol: ProtocolName) -> Option<Vec<&'static str>> {
    layout_of(protocol).map(|layout| layout.sent().collect())
}

/// A field's place is called so: `parameters.temperature` also `temperature`.
pub fn is_field(place: &str, name: &str) -> bool {
    is_called(place, name)
}
