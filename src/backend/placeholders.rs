//! What stands in a command until its launch: `{port}`, `{scratch}` and `{secret:NAME}`. Text of the user that looks like one is
//! none: it stands as `{text:…}` until then.

use crate::schema::target::{METRICS_PORT, SCRATCH};

const PORT: &str = "{port}";
/// Its name and `}` follow.
const SECRET: &str = "{secret:";
/// Stands for an opening brace.
const BRACE: &str = "{text:";

/// A part of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// As it is.
    Text(&'a str),
    /// The port.
    Port,
    /// The value of this variable.
    Secret(&'a str),
}

/// Text of the user as it stands in a plan, so that it reaches the engine as it was typed.
pub(super) fn literal(text: &str) -> String {
    [BRACE, PORT, SECRET, SCRATCH, METRICS_PORT]
        .into_iter()
        .fold(text.to_owned(), |text, marker| text.replace(marker, &format!("{BRACE}{}", &marker[1..])))
}

/// A command's argument, or a variable's value, taken apart. Nothing else in braces is touched: JSON has braces too.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(brace) = text[at..].find('{').map(|place| place + at) {
        let rest = &text[brace..];
        let secret = rest.strip_prefix(SECRET).and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
        let (part, length) = if rest.starts_with(PORT) {
            (Part::Port, PORT.len())
        } else if rest.starts_with(BRACE) {
            (Part::Text("{"), BRACE.len())
        } else if let Some(name) = secret {
            (Part::Secret(name), SECRET.len() + name.len() + 1)
        } else {
            at = brace + 1;
            continue;
        };
        parts.push(Part::Text(&text[from..brace]));
        parts.push(part);
        at = brace + length;
        from = at;
    }
    parts.push(Part::Text(&text[from..]));
    parts.retain(|part| *part != Part::Text(""));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_port(text: &str, port: u16) -> String {
        let part = |part: Part<'_>| match part {
            Part::Text(text) => text.replace(SCRATCH, "/tmp/x"),
            Part::Port => port.to_string(),
            Part::Secret(name) => format!("{{secret:{name}}}"),
        };
        parts(text).into_iter().map(part).collect()
    }

    #[test]
    fn placeholders_are_filled_in_and_other_braces_left_alone() {
        assert_eq!(with_port("{\"a\": {port}}", 80), "{\"a\": 80}");
        assert_eq!(parts("--key={secret:K}!"), [Part::Text("--key="), Part::Secret("K"), Part::Text("!")]);
        assert_eq!(with_port("{{ messages }} {secret:", 80), "{{ messages }} {secret:");
    }

    #[test]
    fn text_of_the_user_is_never_taken_for_a_placeholder() {
        for text in [
            "{port}",
            "{secret:HOME}",
            "{text:port}",
            "{scratch}",
            "{text:{port}{secret:",
            "{{port}}",
            "{\"a\": 1}",
        ] {
            assert_eq!(with_port(&literal(text), 80), text);
        }
    }
}
