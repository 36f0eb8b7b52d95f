//! JSON read for the few facts in it, whatever else it holds: a value of another type than a protocol has there makes
//! nothing unreadable.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

/// Reads an object; none where the value is another. An error where it is no JSON.
pub(super) fn object<T: DeserializeOwned>(data: &[u8]) -> Result<Option<T>, serde_json::Error> {
    let is_object = data.trim_ascii_start().starts_with(b"{");
    let error = match is_object.then(|| serde_json::from_slice(data)) {
        Some(Ok(read)) => return Ok(Some(read)),
        Some(Err(error)) => Some(error),
        None => None,
    };
    // A key that stands twice, half a surrogate, a number beyond all bounds: seldom, so that it may cost more.
    match serde_json::from_slice::<Value>(&tamed(data)) {
        Ok(Value::Object(object)) => serde_json::from_value(Value::Object(object)).map(Some),
        Ok(_) => Ok(None),
        Err(other) => Err(error.unwrap_or(other)),
    }
}

/// JSON with what Rust's texts and numbers cannot hold put right: half a surrogate is U+FFFD, and a number beyond a
/// float, or one that Python writes (`NaN`, `-Infinity`), is −1.
pub(super) fn tamed(data: &[u8]) -> Vec<u8> {
    let mut tame = Vec::with_capacity(data.len());
    let (mut rest, mut in_string) = (data, false);
    while let Some(byte) = rest.first() {
        let (length, instead): (usize, Option<&[u8]>) = match byte {
            b'\\' if in_string => escape(rest),
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

/// The visits of all types that JSON has, but for those that are told apart.
macro_rules! otherwise {
    ($value:expr; $($visit:ident: $type:ty),*) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok($value)
        })*

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("any value")
        }
    };
}

/// An object read as a `T`, where it is one.
#[derive(Debug)]
pub(super) struct Lax<T> {
    pub(super) value: Option<T>,
    /// It is there, and no object.
    pub(super) odd: bool,
}

impl<T> Default for Lax<T> {
    fn default() -> Self {
        Lax { value: None, odd: false }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lax<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Look<T> {
            type Value = Lax<T>;

            otherwise!(Lax { value: None, odd: true }; visit_bool: bool, visit_i64: i64, visit_u64: u64,
                visit_f64: f64, visit_str: &str);

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Lax<T>, A::Error> {
                skip_list(list)?;
                Ok(Lax { value: None, odd: true })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Lax<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
                    .map(|value| Lax { value: Some(value), odd: false })
            }
        }
        deserializer.deserialize_any(Look(PhantomData))
    }
}

/// The objects of a list, folded into an `F`.
pub(super) trait Fold<'de>: Default {
    type Item: Deserialize<'de>;

    /// Takes the next.
    fn take(&mut self, item: Lax<Self::Item>);
}

/// A list of objects, where it is one.
#[derive(Debug, Default)]
pub(super) struct Folded<F> {
    pub(super) value: F,
    /// It is there, and no list.
    pub(super) odd: bool,
}

impl<'de, F: Fold<'de>> Deserialize<'de> for Folded<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look<F>(PhantomData<F>);
        impl<'de, F: Fold<'de>> Visitor<'de> for Look<F> {
            type Value = Folded<F>;

            otherwise!(Folded { value: F::default(), odd: true }; visit_bool: bool, visit_i64: i64, visit_u64: u64,
                visit_f64: f64, visit_str: &str);

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Folded<F>, A::Error> {
                let mut value = F::default();
                while let Some(item) = list.next_element()? {
                    value.take(item);
                }
                Ok(Folded { value, odd: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Folded<F>, A::Error> {
                skip_object(map)?;
                Ok(Folded { value: F::default(), odd: true })
            }
        }
        deserializer.deserialize_any(Look(PhantomData))
    }
}

/// Only whether anything is there, and not empty.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Present;

            otherwise!(Present(true); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

            fn visit_str<E: Error>(self, text: &str) -> Result<Present, E> {
                Ok(Present(!text.is_empty()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Present, A::Error> {
                skip_list(list).map(Present)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Present, A::Error> {
                skip_object(map).map(Present)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Whether a text is a certain word; read without a copy.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IsError(pub(super) bool);

impl<'de> Deserialize<'de> for IsError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = IsError;

            otherwise!(IsError(false); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

            fn visit_str<E: Error>(self, text: &str) -> Result<IsError, E> {
                Ok(IsError(text == "error"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<IsError, A::Error> {
                skip_list(list).map(|_| IsError(false))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IsError, A::Error> {
                skip_object(map).map(|_| IsError(false))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// A count, where it is one: a whole number from 0 on.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Count {
    pub(super) value: Option<u32>,
    /// Something else is there.
    pub(super) odd: bool,
}

impl Count {
    const ODD: Count = Count { value: None, odd: true };

    fn of(value: Option<u32>) -> Count {
        Count { value, odd: value.is_none() }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Count;

            otherwise!(Count::ODD; visit_bool: bool, visit_str: &str);

            fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count::of(u32::try_from(value).ok()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
                Ok(Count::of(u32::try_from(value).ok()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Count, E> {
                let is_whole = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
                Ok(Count::of(is_whole.then_some(value as u32)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Count, A::Error> {
                skip_list(list).map(|_| Count::ODD)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
                skip_object(map).map(|_| Count::ODD)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// A text, or a number or truth value as one; of lists and objects none.
#[derive(Debug, Default)]
pub(super) struct Scalar(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Scalar;

            otherwise!(Scalar(None););

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Scalar, A::Error> {
                skip_list(list).map(|_| Scalar(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar, A::Error> {
                skip_object(map).map(|_| Scalar(None))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Reads past a list; true where it held anything.
fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<bool, A::Error> {
    let mut any = false;
    while list.next_element::<IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

/// Reads past an object; true where it held anything.
fn skip_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<bool, A::Error> {
    let mut any = false;
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            ("-", "-"),
        ] {
            assert_eq!(String::from_utf8(tamed(json.as_bytes())).unwrap(), tame);
        }
    }

    #[test]
    fn a_count_is_a_whole_number_from_0_on() {
        for (json, value) in [("0", 0), ("8", 8), ("8.0", 8), ("4294967295", u32::MAX)] {
            assert_eq!(
                serde_json::from_str::<Count>(json).unwrap(),
                Count { value: Some(value), odd: false }
            );
        }
        for json in ["-5", "8.5", "4294967296", "1e20", "\"8\"", "true", "[8]", "{\"n\":8}", "-0.5"] {
            assert_eq!(serde_json::from_str::<Count>(json).unwrap(), Count::ODD, "{json}");
        }
        assert_eq!(serde_json::from_str::<Count>("null").unwrap(), Count::default());
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
