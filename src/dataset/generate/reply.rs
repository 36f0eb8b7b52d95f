//! Candidates in a reply: a JSON list, JSON lines, a numbered list or a prompt a line, with whatever stands around it.

use serde_json::Value;

use super::check::without_number;

/// The texts that may be prompts, in their order. Of a reply that was `cut` the last one is not whole and is left out.
pub(super) fn candidates(text: &str, cut: bool) -> Vec<String> {
    let text = without_thoughts(text);
    if let Some((list, whole)) = json(text) {
        return but_last(list, cut && !whole);
    }
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("```")).collect();
    let parsed: Vec<String> =
        lines.iter().filter_map(|line| texts(&serde_json::from_str(line).ok()?)).flatten().collect();
    if !parsed.is_empty() && parsed.len() * 2 >= lines.len() {
        return but_last(parsed, false);
    }
    let numbered: Vec<String> = lines
        .iter()
        .filter(|line| without_number(line).len() < line.len())
        .map(|line| without_number(line).trim().to_owned())
        .collect();
    // What stands before and behind a list is no part of it.
    let found = if numbered.len() >= 2 { numbered } else { lines.into_iter().map(str::to_owned).collect() };
    but_last(found, cut)
}

fn but_last(mut list: Vec<String>, cut: bool) -> Vec<String> {
    if cut {
        list.pop();
    }
    list
}

/// Some models think aloud first.
fn without_thoughts(text: &str) -> &str {
    text.rsplit_once("</think>").map_or(text, |(_, answer)| answer)
}

/// The texts of the first JSON list or object that holds some, and whether it has an end. Of one that was cut, the
/// texts that are whole.
fn json(text: &str) -> Option<(Vec<String>, bool)> {
    for (start, _) in text.char_indices().filter(|(_, c)| ['[', '{'].contains(c)) {
        let rest = &text[start..];
        let first = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next();
        if let Some(Ok(value)) = first {
            // One object a line is read line by line.
            match texts(&value) {
                Some(found) if value.is_array() || value.get("prompts").is_some() => {
                    return Some((found, true));
                }
                Some(_) | None => continue,
            }
        }
        if let Some(found) = salvaged(rest) {
            return Some((found, true));
        }
    }
    None
}

/// The whole texts of a list that breaks off, or has a mistake further on.
fn salvaged(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { break };
        found.push(text_of(&value)?);
        rest = rest.get(values.byte_offset()..)?;
    }
    (!found.is_empty()).then_some(found)
}

/// The texts of a value, where it holds some.
fn texts(value: &Value) -> Option<Vec<String>> {
    let list = value.as_array().or_else(|| value.get("prompts")?.as_array());
    let found: Vec<String> = match list {
        Some(list) => list.iter().filter_map(text_of).collect(),
        None => text_of(value).into_iter().collect(),
    };
    (!found.is_empty()).then_some(found)
}

/// `"…"`, `{"prompt": "…"}`, `{"text": "…"}`, `{"content": "…"}`.
fn text_of(value: &Value) -> Option<String> {
    let inner =
        ["prompt", "text", "content", "question", "instruction"].iter().find_map(|key| value.get(key));
    inner.unwrap_or(value).as_str().map(str::to_owned)
}
