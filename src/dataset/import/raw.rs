//! Texts as a JSON file writes them: measured where they stand, and written in our own way without being read first.

use memchr::memchr;

use super::blocks::{BLOCK, specials};

/// A text in the very bytes in which we write it, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawText {
    /// What stands between the quotes.
    pub(super) inside: String,
    /// Characters of the text.
    pub(super) characters: u64,
}

impl RawText {
    /// The text itself.
    ///
    /// # Errors
    /// Never of one that [`Sound::copied`] made.
    pub(super) fn text(&self) -> serde_json::Result<String> {
        serde_json::from_str(&format!("\"{}\"", self.inside))
    }
}

/// What the file holds as an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The text.
    Text(String),
    /// Its lengths alone; it is not blank.
    Measured(Lengths),
}

/// How long a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    /// Characters.
    pub(super) characters: u64,
    /// Bytes in UTF-8.
    pub(super) bytes: u64,
}

impl Reply {
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Reply::Text(text) => text.trim().is_empty(),
            Reply::Measured(_) => false,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        match self {
            Reply::Text(text) => text.len() as u64,
            Reply::Measured(Lengths { bytes, .. }) => *bytes,
        }
    }
}

/// A string of a JSON text whose escapes are all known and which holds no control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sound<'a> {
    /// What stands between its quotes.
    pub(super) inside: &'a str,
    /// How many bytes the escapes are longer than the characters that they stand for, which have one byte each in them.
    more_characters: usize,
    /// The same in bytes of UTF-8.
    more_bytes: usize,
    /// It holds escapes that we would not write.
    is_foreign: bool,
    /// A half of a surrogate pair stands alone: no text.
    is_broken: bool,
}

impl<'a> Sound<'a> {
    /// The string whose first byte behind its quote is at `from`; none where it is not sound.
    pub(super) fn at(text: &'a str, from: usize) -> Option<Sound<'a>> {
        let bytes = text.as_bytes();
        let mut string =
            Sound { inside: "", more_characters: 0, more_bytes: 0, is_foreign: false, is_broken: false };
        let (mut block, mut left) = (from, specials(bytes, from)?);
        loop {
            while left == 0 {
                block += BLOCK;
                left = specials(bytes, block)?;
            }
            let at = block + left.trailing_zeros() as usize;
            match bytes.get(at)? {
                b'"' => {
                    string.inside = text.get(from..at)?;
                    return Some(string);
                }
                b'\\' => {
                    let behind = at + string.escape(bytes, at)?;
                    match u32::try_from(behind - block).ok().and_then(|bits| u64::MAX.checked_shl(bits)) {
                        Some(kept) => left &= kept,
                        None => (block, left) = (behind, specials(bytes, behind)?),
                    }
                }
                // A control character.
                _ => return None,
            }
        }
    }

    /// Takes the escape at `at` along; its bytes.
    fn escape(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        match bytes.get(at + 1)? {
            b'u' => {
                self.is_foreign = true;
                let (character, written) = unit(bytes, at)?;
                match character {
                    Some(character) => {
                        self.more_characters += written - 1;
                        self.more_bytes += written - character.len_utf8();
                    }
                    None => self.is_broken = true,
                }
                return Some(written);
            }
            b'/' => self.is_foreign = true,
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            _ => return None,
        }
        self.more_characters += 1;
        self.more_bytes += 1;
        Some(2)
    }

    /// It holds no escape: what stands there is the text.
    pub(super) fn plain(self) -> Option<&'a str> {
        (self.more_bytes == 0 && !self.is_broken).then_some(self.inside)
    }

    /// How long the text is; none where it is none.
    pub(super) fn lengths(&self) -> Option<Lengths> {
        if self.is_broken {
            return None;
        }
        let (inside, bytes) = (self.inside, self.inside.len());
        let characters = if inside.is_ascii() { bytes } else { inside.chars().count() };
        Some(Lengths {
            characters: (characters - self.more_characters) as u64,
            bytes: (bytes - self.more_bytes) as u64,
        })
    }

    /// The text as we write it; none where it is none.
    pub(super) fn copied(&self) -> Option<RawText> {
        let characters = self.lengths()?.characters;
        let inside = if self.is_foreign { rewritten(self.inside)? } else { self.inside.to_owned() };
        Some(RawText { inside, characters })
    }

    /// It is white space alone, as [`str::trim`] has it.
    pub(super) fn is_blank(&self) -> bool {
        let bytes = self.inside.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let (character, written) = match byte {
                b'\\' => match bytes.get(at + 1) {
                    Some(b'u') => unit(bytes, at).unwrap_or((None, 6)),
                    Some(b'n' | b'r' | b't' | b'f') => (Some(' '), 2),
                    Some(_) | None => return false,
                },
                0..0x80 => (Some(char::from(*byte)), 1),
                _ => {
                    let character = self.inside.get(at..).and_then(|rest| rest.chars().next());
                    (character, character.map_or(1, char::len_utf8))
                }
            };
            if character.is_none_or(|character| !character.is_whitespace()) {
                return false;
            }
            at += written;
        }
        true
    }
}

/// A string's inside with each escape as serde_json writes it.
fn rewritten(inside: &str) -> Option<String> {
    let bytes = inside.as_bytes();
    let mut written = String::with_capacity(inside.len());
    // What is before `from` is written; `at` goes ahead over what stays as it is.
    let (mut from, mut at) = (0, 0);
    while let Some(found) = memchr(b'\\', &bytes[at..]) {
        at += found;
        let (character, escape) = match bytes.get(at + 1)? {
            b'u' => unit(bytes, at)?,
            b'/' => (Some('/'), 2),
            _ => {
                at += 2;
                continue;
            }
        };
        written.push_str(inside.get(from..at)?);
        push(&mut written, character?);
        at += escape;
        from = at;
    }
    written.push_str(inside.get(from..)?);
    Some(written)
}

/// Writes a character between quotes as serde_json does.
fn push(to: &mut String, character: char) {
    match character {
        '"' => to.push_str("\\\""),
        '\\' => to.push_str("\\\\"),
        '\u{8}' => to.push_str("\\b"),
        '\u{c}' => to.push_str("\\f"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        '\0'..' ' => to.push_str(&format!("\\u{:04x}", u32::from(character))),
        _ => to.push(character),
    }
}

/// The character of the `\u` escape at `at`, with the bytes that it takes: twice as many for one beyond U+FFFF. No
/// character: a half of a surrogate pair that stands alone. None: it is no such escape.
fn unit(bytes: &[u8], at: usize) -> Option<(Option<char>, usize)> {
    let first = hexadecimal(bytes, at)?;
    if !(0xd800..0xe000).contains(&first) {
        return Some((char::from_u32(first), 6));
    }
    let second = (first < 0xdc00).then(|| hexadecimal(bytes, at + 6)).flatten();
    Some(match second.filter(|second| (0xdc00..0xe000).contains(second)) {
        Some(second) => (char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)), 12),
        None => (None, 6),
    })
}

/// The number of a `\u` escape.
fn hexadecimal(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.get(at..at + 6)? else { return None };
    digits.iter().try_fold(0, |number, digit| Some((number << 4) | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The string is sound, and says of itself what reading it and writing it anew says.
    fn holds(value: &str) {
        let string = Sound::at(value, 1).unwrap();
        assert_eq!(string.inside.len() + 2, value.len(), "{value}");
        let text: String = match serde_json::from_str(value) {
            Ok(text) => text,
            Err(_) => {
                assert_eq!(
                    (string.lengths(), string.copied(), string.plain()),
                    (None, None, None),
                    "{value}"
                );
                return;
            }
        };
        let lengths = Lengths { characters: text.chars().count() as u64, bytes: text.len() as u64 };
        assert_eq!(string.lengths(), Some(lengths), "{value}");
        let copied = string.copied().unwrap();
        assert_eq!(format!("\"{}\"", copied.inside), serde_json::to_string(&text).unwrap(), "{value}");
        assert_eq!(
            (copied.characters, copied.text().unwrap()),
            (lengths.characters, text.clone()),
            "{value}"
        );
        assert_eq!(string.is_blank(), text.trim().is_empty(), "{value}");
        assert!(string.plain().is_none_or(|plain| plain == text), "{value}");
    }

    #[test]
    fn escapes_count_as_what_they_stand_for_and_are_written_as_we_write_them() {
        for value in [
            r#""""#,
            r#""plain text""#,
            r#""a\n\"b\"\\ \t\b\f\r""#,
            r#""a\/b""#,
            r#""a\u00e9\u4e2d\u0041""#,
            r#""a\ud83d\ude00 é中😀""#,
            r#""\u0007\u0022\u005c\u000A\u001F\u0000\u007f""#,
            r#"" \n\u00a0\u3000\t\f""#,
            r#""\b""#,
            r#""a\ud83d""#,
            r#""a\ude00\ud83d""#,
            r#""a\ud83dx""#,
            r#""\ud83d\n""#,
        ] {
            holds(value);
        }
    }

    #[test]
    fn a_string_that_is_not_sound_is_none() {
        for none in
            ["\"a", r#""\x""#, r#""\u12g4""#, r#""\u+123""#, r#""\u12"#, "\"\\", "\"a\nb\"", "\"a\u{1}\""]
        {
            assert_eq!(Sound::at(none, 1), None, "{none}");
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(none).is_err(), "{none}");
        }
        assert_eq!(Sound::at("\"", 1), None);
        assert_eq!(Sound::at("", 1), None);
    }

    proptest! {
        #[test]
        fn a_string_is_sound_where_serde_takes_it_and_has_the_text_that_it_reads(
            parts in prop::collection::vec(
                prop_oneof![
                    "[ -!#-\\[\\]-~é中😀\u{a0}\u{85}]{0,6}",
                    Just("\\n".to_owned()), Just("\\\"".to_owned()), Just("\\\\".to_owned()), Just("\\/".to_owned()),
                    (0u32..0x800).prop_map(|code| format!("\\u{code:04x}")),
                    (0xd7f0u32..0xe010).prop_map(|code| format!("\\u{code:04X}")),
                    Just("\\ud83d\\ude00".to_owned()), Just("\\uD83D\\uDE00".to_owned()),
                ],
                0..8,
            ),
            odd in prop::option::weighted(0.1, prop_oneof!["[\u{0}-\u{20}]", r"\\[a-z0-9]{1,5}", Just("\"".to_owned())]),
        ) {
            let value = format!("\"{}{}\"", parts.concat(), odd.unwrap_or_default());
            match serde_json::from_str::<&serde_json::value::RawValue>(&value) {
                Ok(_) => holds(&value),
                Err(_) => prop_assert!(Sound::at(&value, 1).is_none_or(|string| string.inside.len() + 2 < value.len())),
            }
        }
    }
}
