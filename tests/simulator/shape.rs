//! The shape of JSON text: keys in their order, kinds of values, and the values that carry meaning.

/// Keys whose values must be the same, not only of the same kind.
const MEANING: [&str; 13] = [
    "finish_reason",
    "object",
    "role",
    "stop_type",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "generated_tokens",
    "tokens_predicted",
    "tokens_evaluated",
    "index",
    "code",
    "http_status_code",
];

/// The shape of a JSON text, without going through a parser that would sort or merge keys.
pub fn shape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut key) = (String::new(), 0, String::new());
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                let value = &text[at + 1..end];
                let mut after = end + 1;
                while bytes.get(after).is_some_and(u8::is_ascii_whitespace) {
                    after += 1;
                }
                if bytes.get(after) == Some(&b':') {
                    key = value.to_owned();
                    out.push_str(&format!("{value}:"));
                    at = after + 1;
                    continue;
                }
                out.push_str(if MEANING.contains(&key.as_str()) {
                    value
                } else if value.is_empty() {
                    "''"
                } else {
                    "'…'"
                });
                at = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let end = at + bytes[at..].iter().position(|b| !b"+-.eE0123456789".contains(b)).unwrap_or(0);
                out.push_str(if MEANING.contains(&key.as_str()) { &text[at..end] } else { "0" });
                at = end;
            }
            b' ' | b'\n' => at += 1,
            _ => {
                let character = text[at..].chars().next().unwrap();
                out.push(character);
                at += character.len_utf8();
            }
        }
    }
    // Lists of token ids are as long as the text.
    while out.contains("[0,0") {
        out = out.replace("[0,0", "[0");
    }
    out
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Header names in order, with the values that do not depend on time or content.
pub fn head_shape(head: &str) -> Vec<String> {
    let mut lines = head.lines();
    let mut shape = vec![lines.next().unwrap().to_owned()];
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let varies = ["date", "content-length", "process-start-time-unix"]
            .contains(&name.to_lowercase().as_str())
            || (name.starts_with("x-") && name != "x-accel-buffering" && name != "x-compute-type");
        shape.push(if varies { name.to_owned() } else { format!("{name}:{value}") });
    }
    shape
}
