//! Texts as a JSON file writes them: measured, and where we would write them in the same way copied, without being read
//! and written anew.

use memchr::memchr;

/// A text of a JSON file between its quotes, in the very bytes in which we would write it.
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
    /// Never of one that [`measured`] made.
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
    Measured {
        /// Characters.
        characters: u64,
        /// Bytes in UTF-8.
        bytes: u64,
    },
}

impl Reply {
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Reply::Text(text) => text.trim().is_empty(),
            Reply::Measured { .. } => false,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        match self {
            Reply::Text(text) => text.len() as u64,
            Reply::Measured { bytes, .. } => *bytes,
        }
    }
}

/// Lengths of a text that is written between quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) characters: u64,
    pub(super) bytes: u64,
    /// We would write it in the same bytes.
    pub(super) is_ours: bool,
}

/// Measures a JSON value that is a sound string, as its quotes and escapes have shown. None where it is none, where it may
/// be blank, and where a half of a surrogate pair stands alone: whoever reads it tells better what it is.
pub(super) fn measured(value: &str) -> Option<Measured> {
    let inside = value.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.as_bytes().first()?.is_ascii_alphanumeric() {
        return None;
    }
    let bytes = inside.as_bytes();
    let (mut at, mut is_ours) = (0, true);
    // What the escapes are longer than what they stand for.
    let (mut more_characters, mut more_bytes) = (0, 0);
    while let Some(found) = memchr(b'\\', &bytes[at..]) {
        at += found;
        match bytes.get(at + 1)? {
            b'u' => {
                let (unit, written) = unit(bytes, at)?;
                is_ours = false;
                more_characters += written - 1;
                more_bytes += written - char::from_u32(unit)?.len_utf8();
                at += written;
            }
            other => {
                is_ours &= *other != b'/';
                more_characters += 1;
                more_bytes += 1;
                at += 2;
            }
        }
    }
    // DEL and what is beyond ASCII stand as they are.
    let characters = inside.chars().count() - more_characters;
    Some(Measured { characters: characters as u64, bytes: (bytes.len() - more_bytes) as u64, is_ours })
}

/// The character of a `\u` escape, with the bytes that it takes: twice as many for one beyond U+FFFF.
fn unit(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let hexadecimal = |at: usize| {
        let digits = std::str::from_utf8(bytes.get(at + 2..at + 6)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = hexadecimal(at)?;
    if !(0xd800..0xe000).contains(&first) {
        return Some((first, 6));
    }
    if first >= 0xdc00 || bytes.get(at + 6..at + 8)? != b"\\u" {
        return None;
    }
    let second = hexadecimal(at + 6).filter(|second| (0xdc00..0xe000).contains(second))?;
    Some((0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn as_read(value: &str) -> Measured {
        let text: String = serde_json::from_str(value).unwrap();
        let is_ours = serde_json::to_string(&text).unwrap() == value;
        Measured { characters: text.chars().count() as u64, bytes: text.len() as u64, is_ours }
    }

    #[test]
    fn escapes_count_as_what_they_stand_for_and_what_we_would_write_otherwise_is_told() {
        for value in [
            r#""plain text""#,
            r#""a\n\"b\"\\ \t\b\f\r""#,
            r#""a\/b""#,
            r#""a\u00e9\u4e2d\u0041""#,
            r#""a\ud83d\ude00 é中😀""#,
        ] {
            assert_eq!(measured(value), Some(as_read(value)), "{value}");
        }
        // Written so by us as well, and read all the same.
        assert_eq!(measured(r#""a\u0007""#), Some(Measured { characters: 2, bytes: 2, is_ours: false }));
        for none in [
            r#""""#,
            r#"" a""#,
            r#""\n""#,
            "null",
            "12",
            r#""a\ud83d""#,
            r#""a\ude00\ud83d""#,
            r#""a\ud83dx""#,
        ] {
            assert_eq!(measured(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_measured_text_has_the_lengths_of_the_text_that_is_read(
            parts in prop::collection::vec(
                prop_oneof![
                    "[ -!#-\\[\\]-~é中😀]{0,6}",
                    Just("\\n".to_owned()), Just("\\\"".to_owned()), Just("\\\\".to_owned()), Just("\\/".to_owned()),
                    (0u32..0x800).prop_map(|code| format!("\\u{code:04x}")),
                    Just("\\ud83d\\ude00".to_owned()), Just("\\uD83D\\uDE00".to_owned()),
                ],
                0..8,
            )
        ) {
            let value = format!("\"x{}\"", parts.concat());
            let told = measured(&value).unwrap();
            prop_assert_eq!(told, Measured { is_ours: told.is_ours, ..as_read(&value) });
            // What we copy is what we would write; the other way round nothing is promised.
            prop_assert!(!told.is_ours || as_read(&value).is_ours);
        }
    }
}
