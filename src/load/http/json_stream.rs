//! JSON values that follow each other, out of bytes that come in any pieces: a line each, or with nothing between them.

/// A value may not be longer than this: what sends more is no stream.
const VALUE_LIMIT: usize = 16 << 20;

/// A push parser that finds where objects and lists end. Between them may stand white space, commas and record
/// separators (RFC 7464). What the values hold is not looked at.
#[derive(Debug, Default)]
pub(crate) struct JsonStreamParser {
    /// The beginning of a value whose end has not come yet.
    held: Vec<u8>,
    /// Objects and lists that are open.
    depth: u32,
    in_string: bool,
    /// The last byte was a backslash in a string.
    escaped: bool,
}

/// Bytes that are no stream of values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum JsonStreamError {
    #[error("the answer is no stream of JSON objects: one begins with byte 0x{0:02x}")]
    NoValue(u8),
    #[error("a value of the stream exceeds 16 MiB")]
    TooLong,
}

impl JsonStreamParser {
    /// Takes the next bytes and calls `on_value` with each value that they complete and the number of bytes of
    /// `input` up to its end.
    pub(crate) fn feed(
        &mut self,
        input: &[u8],
        mut on_value: impl FnMut(&[u8], usize),
    ) -> Result<(), JsonStreamError> {
        let mut begin = 0;
        for (at, byte) in input.iter().enumerate() {
            if self.depth == 0 {
                match byte {
                    b'{' | b'[' => (begin, self.depth) = (at, 1),
                    b' ' | b'\t' | b'\r' | b'\n' | b',' | 0x1e => {}
                    other => return Err(JsonStreamError::NoValue(*other)),
                }
            } else if self.in_string {
                self.in_string = self.escaped || *byte != b'"';
                self.escaped = !self.escaped && *byte == b'\\';
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth -= 1,
                    _ => {}
                }
                if self.depth == 0 {
                    self.complete(&input[begin..=at], at + 1, &mut on_value);
                }
            }
        }
        if self.depth > 0 {
            self.held.extend_from_slice(&input[begin..]);
        }
        if self.held.len() > VALUE_LIMIT { Err(JsonStreamError::TooLong) } else { Ok(()) }
    }

    fn complete(&mut self, rest: &[u8], end: usize, on_value: &mut impl FnMut(&[u8], usize)) {
        if self.held.is_empty() {
            on_value(rest, end);
        } else {
            self.held.extend_from_slice(rest);
            on_value(&self.held, end);
            self.held.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(pieces: &[&[u8]]) -> (Vec<String>, Option<JsonStreamError>) {
        let mut parser = JsonStreamParser::default();
        let mut values = Vec::new();
        for piece in pieces {
            let fed = parser.feed(piece, |value, _| values.push(String::from_utf8_lossy(value).into_owned()));
            if let Err(error) = fed {
                return (values, Some(error));
            }
        }
        (values, None)
    }

    fn every_cut(stream: &str) -> Vec<String> {
        let whole = values(&[stream.as_bytes()]);
        for cut in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            assert_eq!(values(&[first, second]), whole, "cut at {cut} of {stream:?}");
        }
        assert_eq!(values(&stream.as_bytes().chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
        assert_eq!(whole.1, None);
        whole.0
    }

    #[test]
    fn values_follow_each_other_with_or_without_anything_between_them() {
        let (a, b) = (r#"{"a":1}"#, r#"{"b":[{}]}"#);
        for between in ["", "\n", "\r\n", " , ", "\n\n", "\u{1e}"] {
            assert_eq!(every_cut(&format!("{between}{a}{between}{b}{between}")), [a, b], "{between:?}");
        }
    }

    #[test]
    fn braces_and_quotes_within_a_string_end_nothing() {
        let odd = r#"{"text":"} ] \" \\","é":"{\\\""}"#;
        assert_eq!(every_cut(&format!("{odd}{odd}")), [odd, odd]);
    }

    #[test]
    fn a_value_that_is_cut_off_is_not_given() {
        assert_eq!(every_cut(r#"{"a":1}{"b":"#), [r#"{"a":1}"#]);
    }

    #[test]
    fn a_value_ends_where_its_brace_does() {
        let mut ends = Vec::new();
        JsonStreamParser::default().feed(b"{}\n{\"a\":[]} {", |_, end| ends.push(end)).unwrap();
        assert_eq!(ends, [2, 11]);
    }

    #[test]
    fn what_is_no_object_is_refused_at_its_first_byte() {
        for (stream, byte) in
            [("data: {}", b'd'), ("}", b'}'), ("5", b'5'), ("{} x", b'x'), ("\u{fffd}", 0xef)]
        {
            assert_eq!(values(&[stream.as_bytes()]).1, Some(JsonStreamError::NoValue(byte)), "{stream}");
        }
    }

    #[test]
    fn a_value_that_does_not_end_is_refused_before_it_eats_the_memory() {
        let mut parser = JsonStreamParser::default();
        let piece = b"[\"0123456789\",".repeat(1 << 16);
        let refused_at = (0..40).find(|_| parser.feed(&piece, |_, _| {}).is_err());
        assert!(refused_at.is_some_and(|at| at >= 15), "{refused_at:?}");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_values(
            texts in proptest::collection::vec("[a\\\\\"{}\\[\\]é, ]{0,8}", 0..6),
            cuts in proptest::collection::vec(0usize..300, 0..8),
        ) {
            let all: Vec<String> = texts.iter().map(|text| serde_json::json!({"t": text}).to_string()).collect();
            let stream = all.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&stream[from..cut]);
                from = cut;
            }
            pieces.push(&stream[from..]);
            prop_assert_eq!(values(&pieces), (all, None));
        }
    }
}
