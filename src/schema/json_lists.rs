//! Indented JSON whose lists of numbers stand on one line each: a curve of a thousand points is one line, not three
//! thousand.

use std::io::{self, Write};

use serde_json::ser::{CompactFormatter, Formatter};

const INDENT: &[u8] = b"  ";

/// Indents as serde_json's own formatter does, but for lists that begin with a number or with such a list.
#[derive(Debug, Default)]
pub struct NumbersInLine {
    depth: usize,
    /// The open lists and objects.
    open: Vec<Open>,
    /// What must stand before the next value is not known until that is.
    before: Option<Before>,
}

/// Something that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A list or an object whose values have lines of their own; whether it has one.
    Lines { some: bool },
    /// A list whose values stand behind each other.
    InLine,
    /// A list without a value so far.
    NotKnown,
}

/// A value of a list is about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    First,
    Other,
}

/// What a value is, as far as lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number, or a list of something.
    Short,
    /// A text or an object.
    Long,
}

impl NumbersInLine {
    fn new_line<W: ?Sized + Write>(&self, sink: &mut W) -> io::Result<()> {
        sink.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| sink.write_all(INDENT))
    }

    /// Before a value of whatever holds it.
    fn value<W: ?Sized + Write>(&mut self, sink: &mut W, kind: Kind) -> io::Result<()> {
        let Some(before) = self.before.take() else { return Ok(()) };
        if self.open.last() == Some(&Open::NotKnown) {
            self.open.pop();
            let in_line = kind == Kind::Short;
            self.depth += usize::from(!in_line);
            self.open.push(if in_line { Open::InLine } else { Open::Lines { some: true } });
        }
        match (self.open.last(), before) {
            (Some(Open::InLine), Before::First) => Ok(()),
            (Some(Open::InLine), Before::Other) => sink.write_all(b", "),
            (Some(Open::Lines { .. } | Open::NotKnown) | None, before) => {
                if before == Before::Other {
                    sink.write_all(b",")?;
                }
                self.new_line(sink)
            }
        }
    }

    /// At the end of a list or an object.
    fn close<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        match self.open.pop() {
            Some(Open::Lines { some }) => {
                self.depth = self.depth.saturating_sub(1);
                if some { self.new_line(sink) } else { Ok(()) }
            }
            Some(Open::InLine | Open::NotKnown) | None => Ok(()),
        }
    }
}

impl Formatter for NumbersInLine {
    fn write_null<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_null(sink)
    }

    fn write_bool<W: ?Sized + Write>(&mut self, sink: &mut W, value: bool) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_bool(sink, value)
    }

    fn write_i8<W: ?Sized + Write>(&mut self, sink: &mut W, value: i8) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_i8(sink, value)
    }

    fn write_i16<W: ?Sized + Write>(&mut self, sink: &mut W, value: i16) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_i16(sink, value)
    }

    fn write_i32<W: ?Sized + Write>(&mut self, sink: &mut W, value: i32) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_i32(sink, value)
    }

    fn write_i64<W: ?Sized + Write>(&mut self, sink: &mut W, value: i64) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_i64(sink, value)
    }

    fn write_i128<W: ?Sized + Write>(&mut self, sink: &mut W, value: i128) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_i128(sink, value)
    }

    fn write_u8<W: ?Sized + Write>(&mut self, sink: &mut W, value: u8) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_u8(sink, value)
    }

    fn write_u16<W: ?Sized + Write>(&mut self, sink: &mut W, value: u16) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_u16(sink, value)
    }

    fn write_u32<W: ?Sized + Write>(&mut self, sink: &mut W, value: u32) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_u32(sink, value)
    }

    fn write_u64<W: ?Sized + Write>(&mut self, sink: &mut W, value: u64) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_u64(sink, value)
    }

    fn write_u128<W: ?Sized + Write>(&mut self, sink: &mut W, value: u128) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_u128(sink, value)
    }

    fn write_f32<W: ?Sized + Write>(&mut self, sink: &mut W, value: f32) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_f32(sink, value)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, sink: &mut W, value: f64) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_f64(sink, value)
    }

    fn write_number_str<W: ?Sized + Write>(&mut self, sink: &mut W, value: &str) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        CompactFormatter.write_number_str(sink, value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.value(sink, Kind::Long)?;
        CompactFormatter.begin_string(sink)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.value(sink, Kind::Short)?;
        self.open.push(Open::NotKnown);
        sink.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.close(sink)?;
        sink.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, _sink: &mut W, first: bool) -> io::Result<()> {
        self.before = Some(if first { Before::First } else { Before::Other });
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.value(sink, Kind::Long)?;
        self.depth += 1;
        self.open.push(Open::Lines { some: false });
        sink.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        self.close(sink)?;
        sink.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, sink: &mut W, first: bool) -> io::Result<()> {
        if let Some(Open::Lines { some }) = self.open.last_mut() {
            *some = true;
        }
        if !first {
            sink.write_all(b",")?;
        }
        self.new_line(sink)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, sink: &mut W) -> io::Result<()> {
        sink.write_all(b": ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Serialize;
    use serde_json::{Serializer, json};

    use super::*;

    fn written(value: &serde_json::Value) -> String {
        let mut bytes = Vec::new();
        value.serialize(&mut Serializer::with_formatter(&mut bytes, NumbersInLine::default())).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_list_of_numbers_takes_a_line_and_all_else_is_indented() {
        let value = json!({
            "curve": [[1, 2.5], [3, null]],
            "empty": [[], {}],
            "flags": [true, false],
            "named": [{"at": [1, 2]}, {"at": []}],
            "words": ["a", "b"],
            "z": {},
        });
        let wanted = r#"{
  "curve": [[1, 2.5], [3, null]],
  "empty": [[], {}],
  "flags": [true, false],
  "named": [
    {
      "at": [1, 2]
    },
    {
      "at": []
    }
  ],
  "words": [
    "a",
    "b"
  ],
  "z": {}
}"#;
        assert_eq!(written(&value), wanted);
        for alone in [json!(1.5), json!("a"), json!([]), json!([1]), json!(null)] {
            assert_eq!(written(&alone), alone.to_string());
        }
    }

    #[test]
    fn whatever_is_written_is_read_back() {
        let value = json!([[[{"a": [["b", {"c": [1]}], 2]}]], "d", [3, "e", {"f": [{}]}]]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written(&value)).unwrap(), value);
    }
}
