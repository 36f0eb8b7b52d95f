//! Text from outside in a page: it is shown and never acts.

use serde::Serialize;

use crate::report::number::one_line;
use crate::schema::text::write_json_line;

/// Text between tags, or a quoted attribute's value: on one line, nothing in it is markup.
pub fn text(text: &str) -> String {
    let mut shown = String::new();
    for character in one_line(text).chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            other => shown.push(other),
        }
    }
    shown
}

/// A value for a `<script type="application/json">`. These three stand in strings alone, so that their numbers mean
/// the same; without them nothing in it can end the element or begin a comment.
///
/// # Errors
/// When the value has no form in JSON.
pub fn json<T: Serialize>(value: &T) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    write_json_line(&mut bytes, value)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}
