//! The text of a template: literal JSON with places in it, `{prompt}` in quotes or outside them.

use serde_json::Value;

/// What stands in the place of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Prompt,
    Messages,
    MaxTokens,
    Model,
    Temperature,
    Stream,
    PromptId,
}

/// The names, as they are typed.
const PLACES: [(&str, Place); 7] = [
    ("prompt", Place::Prompt),
    ("messages", Place::Messages),
    ("max_tokens", Place::MaxTokens),
    ("model", Place::Model),
    ("temperature", Place::Temperature),
    ("stream", Place::Stream),
    ("prompt_id", Place::PromptId),
];

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands.
    Literal(String),
    /// The value as JSON.
    Bare(Place),
    /// The value within a text that goes on around it.
    Quoted(Place),
}

/// Cuts a template. A brace with a name in it is a place: JSON has none, but in texts, where `\u007b` is a brace.
///
/// # Errors
/// A name that nobody knows, a place that cannot stand in a text, no place for what the user says.
pub(super) fn parts(template: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = template;
    while let Some(sign) = rest.chars().next() {
        if let Some(name) = name_in_braces(rest) {
            let place = place_of(name)?;
            if in_string && place == Place::Messages {
                return Err("{messages} stands in quotes, and is a list: write it without them".to_owned());
            }
            parts.push(Part::Literal(std::mem::take(&mut literal)));
            parts.push(if in_string { Part::Quoted(place) } else { Part::Bare(place) });
            rest = &rest[name.len() + 2..];
            escaped = false;
            continue;
        }
        if in_string {
            in_string = escaped || sign != '"';
            escaped = !escaped && sign == '\\';
        } else {
            in_string = sign == '"';
        }
        literal.push(sign);
        rest = &rest[sign.len_utf8()..];
    }
    parts.push(Part::Literal(literal));
    let says = [Place::Prompt, Place::Messages];
    let is_said = |part: &Part| match part {
        Part::Literal(_) => false,
        Part::Bare(place) | Part::Quoted(place) => says.contains(place),
    };
    if !parts.iter().any(is_said) {
        return Err("it has no place for what is asked: {prompt} or {messages}".to_owned());
    }
    Ok(parts)
}

/// The name of `{name}` at the beginning of a text.
fn name_in_braces(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('{')?;
    let name = &inside[..inside.find('}')?];
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

fn place_of(name: &str) -> Result<Place, String> {
    let found = PLACES.iter().find(|(known, _)| *known == name).map(|(_, place)| *place);
    found.ok_or_else(|| {
        let known: Vec<String> = PLACES.iter().map(|(known, _)| format!("{{{known}}}")).collect();
        format!(
            "{{{name}}} is no place that is known; there are {}; a brace in a text is \\u007b",
            known.join(", ")
        )
    })
}

/// Fills the places in.
pub(super) fn render(parts: &[Part], value: impl Fn(Place) -> Value) -> String {
    let mut body = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => body.push_str(text),
            Part::Bare(place) => body.push_str(&value(*place).to_string()),
            Part::Quoted(place) => {
                let json = value(*place).to_string();
                let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
                body.push_str(inside.unwrap_or(&json));
            }
        }
    }
    body
}
