//! Text from outside: what of it would act where it is shown, and how it stands in a file so that it does not.
//! One rule for every output: terminal, log, Markdown, picture, CSV and JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use super::json_lists::NumbersInLine;

/// True for a character that does something where it is shown: it moves the cursor, ends a line, or turns the
/// rest of a line around (C0, DEL, C1; separators of lines; marks of direction; invisible tags).
pub fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, a blank in the place of each character that acts.
pub fn plain(text: &str) -> Cow<'_, str> {
    without(text, acts)
}

/// The same for text of several lines: its line ends stay.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    without(text, |character| character != '\n' && acts(character))
}

fn without(text: &str, is_out: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Nearly every text is of this kind, and is looked at as bytes alone.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !text.contains(&is_out) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|character| if is_out(character) { ' ' } else { character }).collect())
}

/// A cell of a CSV file: on one line, and no formula. A spreadsheet runs what begins with `=`, `+`, `-` or `@`, so
/// an apostrophe stands before that; a number is none. [`read_cell`] takes it away again.
pub fn cell(text: &str) -> Cow<'_, str> {
    let text = plain(text);
    if runs(text.trim_start_matches(APOSTROPHE)) { Cow::Owned(format!("{APOSTROPHE}{text}")) } else { text }
}

/// What [`cell`] made the cell of.
pub fn read_cell(cell: &str) -> &str {
    match cell.strip_prefix(APOSTROPHE) {
        Some(text) if runs(text.trim_start_matches(APOSTROPHE)) => text,
        Some(_) | None => cell,
    }
}

const APOSTROPHE: char = '\'';

/// A spreadsheet would take it for a formula. Some pass over blanks before it, and some know the wide forms.
fn runs(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    begins && !text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A value as JSON on one line. A character that acts stands as `\u009b`: a reader gets it, a terminal does not.
///
/// # Errors
/// The sink's, or a value that has no form in JSON.
pub fn write_json_line<T: Serialize>(sink: impl Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(sink, Escaping(CompactFormatter)))
}

/// The same, indented, but for lists of numbers, which take one line each.
///
/// # Errors
/// As [`write_json_line`]'s.
pub fn write_json_indented<T: Serialize>(sink: impl Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(sink, Escaping(NumbersInLine::default())))
}

/// Writes characters that act as their numbers; JSON itself does so with C0 alone.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, sink: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return sink.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            let mut units = [0; 2];
            if acts(character) {
                for unit in character.encode_utf16(&mut units) {
                    write!(sink, "\\u{unit:04x}")?;
                }
            } else {
                sink.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }

    fn write_null<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.write_null(sink)
    }

    fn write_bool<W: ?Sized + Write>(&mut self, sink: &mut W, value: bool) -> io::Result<()> {
        self.0.write_bool(sink, value)
    }

    fn write_i8<W: ?Sized + Write>(&mut self, sink: &mut W, value: i8) -> io::Result<()> {
        self.0.write_i8(sink, value)
    }

    fn write_i16<W: ?Sized + Write>(&mut self, sink: &mut W, value: i16) -> io::Result<()> {
        self.0.write_i16(sink, value)
    }

    fn write_i32<W: ?Sized + Write>(&mut self, sink: &mut W, value: i32) -> io::Result<()> {
        self.0.write_i32(sink, value)
    }

    fn write_i64<W: ?Sized + Write>(&mut self, sink: &mut W, value: i64) -> io::Result<()> {
        self.0.write_i64(sink, value)
    }

    fn write_i128<W: ?Sized + Write>(&mut self, sink: &mut W, value: i128) -> io::Result<()> {
        self.0.write_i128(sink, value)
    }

    fn write_u8<W: ?Sized + Write>(&mut self, sink: &mut W, value: u8) -> io::Result<()> {
        self.0.write_u8(sink, value)
    }

    fn write_u16<W: ?Sized + Write>(&mut self, sink: &mut W, value: u16) -> io::Result<()> {
        self.0.write_u16(sink, value)
    }

    fn write_u32<W: ?Sized + Write>(&mut self, sink: &mut W, value: u32) -> io::Result<()> {
        self.0.write_u32(sink, value)
    }

    fn write_u64<W: ?Sized + Write>(&mut self, sink: &mut W, value: u64) -> io::Result<()> {
        self.0.write_u64(sink, value)
    }

    fn write_u128<W: ?Sized + Write>(&mut self, sink: &mut W, value: u128) -> io::Result<()> {
        self.0.write_u128(sink, value)
    }

    fn write_f32<W: ?Sized + Write>(&mut self, sink: &mut W, value: f32) -> io::Result<()> {
        self.0.write_f32(sink, value)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, sink: &mut W, value: f64) -> io::Result<()> {
        self.0.write_f64(sink, value)
    }

    fn write_number_str<W: ?Sized + Write>(&mut self, sink: &mut W, value: &str) -> io::Result<()> {
        self.0.write_number_str(sink, value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.begin_string(sink)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.begin_array(sink)
    }

    fn end_array<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.end_array(sink)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, sink: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(sink, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.end_array_value(sink)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.begin_object(sink)
    }

    fn end_object<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.end_object(sink)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, sink: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(sink, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.begin_object_value(sink)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.0.end_object_value(sink)
    }
}

/// A word of a command, quoted for a shell where it needs it.
pub fn shell_word(word: &str) -> String {
    let word = plain(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%{}".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_around_is_blank_and_the_rest_is_left_alone() {
        let evil = "\u{1b}]0;t\u{7}a\u{7f}b\u{9b}31m\u{202e}c\u{2066}d\u{200f}e\u{2028}f\r\n\tg\u{e0041}";
        assert!(!plain(evil).chars().any(acts), "{:?}", plain(evil));
        assert_eq!(plain("a\u{9b}\u{202e}b\nc"), "a  b c");
        assert_eq!(plain_lines("a\u{1b}\r\nb\n"), "a  \nb\n");
        for text in ["", "Grüße, 日本語 👩‍💻", "می‌خواهم", "a | b"] {
            assert!(matches!(plain(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn no_cell_runs_in_a_spreadsheet_and_numbers_stay_numbers() {
        for formula in
            ["=1+1", "+cmd|' /C'!A0", "-1+1", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1", "-", "-inf"]
        {
            assert!(cell(formula).starts_with('\''), "{formula:?}: {}", cell(formula));
        }
        for other in ["-1.5", "+3", "1e-3", "-1e+9", "0", "", "a=b", "a@b", "'quoted'", "inf"] {
            assert_eq!(cell(other), other);
        }
    }

    proptest! {
        #[test]
        fn a_cell_gives_back_what_it_was_made_of(text in "['=+@a -]{0,4}[ -~]{0,5}") {
            let cell = cell(&text);
            prop_assert_eq!(read_cell(&cell), text.as_str());
            prop_assert!(!runs(&cell));
        }

        #[test]
        fn json_holds_no_character_that_acts_and_loses_none(text in "\\PC{0,4}[\u{0}-\u{ffff}]{0,20}") {
            let (mut line, mut indented) = (Vec::new(), Vec::new());
            let value = serde_json::json!({ text.clone(): [text, "\u{e0041}", 1.5, null, {}] });
            write_json_line(&mut line, &value).unwrap();
            write_json_indented(&mut indented, &value).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(&line).unwrap(), &value);
            prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(&indented).unwrap(), &value);
            prop_assert!(!String::from_utf8(line).unwrap().contains(acts));
            let indented = String::from_utf8(indented).unwrap();
            prop_assert_eq!(plain_lines(&indented), indented.as_str());
        }
    }
}
