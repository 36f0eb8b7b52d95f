//! JSON that is valid, or nearly so, and that Rust's texts and numbers cannot hold, put right.

/// JSON with what Rust's texts and numbers cannot hold put right: half a surrogate is U+FFFD, and a number beyond a
/// float, or one that Python writes (`NaN`, `-Infinity`), is −1. Bytes that are no UTF-8 are U+FFFD, as a reader of
/// event streams has to read them, and a control character within a text is a blank.
pub(super) fn tamed(data: &[u8]) -> Vec<u8> {
    let data = String::from_utf8_lossy(data);
    let data = data.as_bytes();
    let mut tame = Vec::with_capacity(data.len());
    let (mut rest, mut in_string) = (data, false);
    while let Some(byte) = rest.first() {
        let (length, instead): (usize, Option<&[u8]>) = match byte {
            b'\\' if in_string => escape(rest),
            0..0x20 if in_string => (1, Some(b" ")),
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'-' | b'0'..=b'9' | b'N' | b'I' if !in_string => number(rest),
            _ => (1, None),
        };
        let length = length.min(rest.len());
        tame.extend_from_slice(instead.unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    tame
}

/// The length of the escape that a text begins with, and what stands for it.
fn escape(text: &[u8]) -> (usize, Option<&'static [u8]>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, None),
        (Some(0xD800..=0xDFFF), _) => (6, Some(b"\\ufffd")),
        (_, _) => (2, None),
    }
}

/// The length of the number that a text begins with, and what stands for it.
fn number(text: &[u8]) -> (usize, Option<&'static [u8]>) {
    for name in ["NaN", "Infinity", "-Infinity"] {
        if text.starts_with(name.as_bytes()) {
            return (name.len(), Some(b"-1"));
        }
    }
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = text.iter().take_while(|byte| is_part(byte)).count().max(1);
    let value = std::str::from_utf8(&text[..length]).ok().and_then(|text| text.parse::<f64>().ok());
    (length, value.filter(|value| value.is_infinite()).map(|_| b"-1".as_slice()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_rust_cannot_hold_is_put_right_and_all_else_is_left() {
        for (json, tame) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"\ude00 \ud83d\ude00 \ud83dx"}"#, r#"{"a":"\ufffd \ud83d\ude00 \ufffdx"}"#),
            (r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
            (
                r#"{"a":"NaN 1e999","b":[NaN,-Infinity,Infinity,1e999,-1e999,1e9,-0.5]}"#,
                r#"{"a":"NaN 1e999","b":[-1,-1,-1,-1,-1,1e9,-0.5]}"#,
            ),
            ("{\"a\":\"\\", "{\"a\":\"\\"),
            ("{\n\"a\":\"b\tc\u{1}\n\"}", "{\n\"a\":\"b c  \"}"),
            ("-", "-"),
        ] {
            assert_eq!(String::from_utf8(tamed(json.as_bytes())).unwrap(), tame);
        }
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_read_the_same_after_taming(text in ".{0,12}", number in any::<f64>()) {
            let json = serde_json::json!({"a": text, "b": [number, text]});
            let tame = tamed(json.to_string().as_bytes());
            prop_assert_eq!(serde_json::from_slice::<Value>(&tame).unwrap(), json);
        }

        #[test]
        fn any_bytes_are_tamed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            tamed(&bytes);
        }
    }
}
