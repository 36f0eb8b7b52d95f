//! JSON read for the few facts in it, whatever else it holds: a value of another type than a protocol has there makes
//! nothing unreadable. Each token goes through here: what is small is inlined, which takes an eighth off its time.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use crate::load::protocol::tame::tamed;

/// Reads an object; none where the value is another. An error where it is no JSON.
pub(super) fn object<T: DeserializeOwned>(data: &[u8]) -> Result<Option<T>, serde_json::Error> {
    if !data.trim_ascii_start().starts_with(b"{") {
        return unruly_object(data, None);
    }
    serde_json::from_slice(data).map(Some).or_else(|error| unruly_object(data, Some(error)))
}

/// The same where a key stands twice, half a surrogate or a number beyond all bounds is in it: seldom, so that it may
/// cost more. `error`: why the quick way failed.
#[cold]
fn unruly_object<T: DeserializeOwned>(
    data: &[u8],
    error: Option<serde_json::Error>,
) -> Result<Option<T>, serde_json::Error> {
    match serde_json::from_slice::<Value>(&tamed(data)) {
        Ok(Value::Object(object)) => serde_json::from_value(Value::Object(object)).map(Some),
        Ok(_) => Ok(None),
        Err(other) => Err(error.unwrap_or(other)),
    }
}

/// The visits of all types that JSON has, but for those that are told apart.
macro_rules! otherwise {
    ($value:expr; $($visit:ident: $type:ty),*) => {
        $(#[inline]
        fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> {
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
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Look<T> {
            type Value = Lax<T>;

            otherwise!(Lax { value: None, odd: true }; visit_bool: bool, visit_i64: i64, visit_u64: u64,
                visit_f64: f64, visit_str: &str);

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Lax<T>, A::Error> {
                skip_list(list)?;
                Ok(Lax { value: None, odd: true })
            }

            #[inline]
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
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look<F>(PhantomData<F>);
        impl<'de, F: Fold<'de>> Visitor<'de> for Look<F> {
            type Value = Folded<F>;

            otherwise!(Folded { value: F::default(), odd: true }; visit_bool: bool, visit_i64: i64, visit_u64: u64,
                visit_f64: f64, visit_str: &str);

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Folded<F>, A::Error> {
                let mut value = F::default();
                while let Some(item) = list.next_element()? {
                    value.take(item);
                }
                Ok(Folded { value, odd: false })
            }

            #[inline]
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
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Present;

            otherwise!(Present(true); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

            #[inline]
            fn visit_str<E: Error>(self, text: &str) -> Result<Present, E> {
                Ok(Present(!text.is_empty()))
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Present, A::Error> {
                skip_list(list).map(Present)
            }

            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Present, A::Error> {
                skip_object(map).map(Present)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// How many elements a list has; 0 of all else.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elements(pub(super) u32);

impl<'de> Deserialize<'de> for Elements {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Elements;

            otherwise!(Elements(0); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64,
                visit_str: &str);

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Elements, A::Error> {
                let mut elements: u32 = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    elements = elements.saturating_add(1);
                }
                Ok(Elements(elements))
            }

            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Elements, A::Error> {
                skip_object(map).map(|_| Elements(0))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Whether a text is a certain word; read without a copy.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IsError(pub(super) bool);

impl<'de> Deserialize<'de> for IsError {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = IsError;

            otherwise!(IsError(false); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

            #[inline]
            fn visit_str<E: Error>(self, text: &str) -> Result<IsError, E> {
                Ok(IsError(text == "error"))
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<IsError, A::Error> {
                skip_list(list).map(|_| IsError(false))
            }

            #[inline]
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
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Count;

            otherwise!(Count::ODD; visit_bool: bool, visit_str: &str);

            #[inline]
            fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count::of(u32::try_from(value).ok()))
            }

            #[inline]
            fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
                Ok(Count::of(u32::try_from(value).ok()))
            }

            #[inline]
            fn visit_f64<E: Error>(self, value: f64) -> Result<Count, E> {
                let is_whole = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
                Ok(Count::of(is_whole.then_some(value as u32)))
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Count, A::Error> {
                skip_list(list).map(|_| Count::ODD)
            }

            #[inline]
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
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Scalar;

            otherwise!(Scalar(None););

            #[inline]
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.to_owned())))
            }

            #[inline]
            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            #[inline]
            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            #[inline]
            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            #[inline]
            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Scalar, A::Error> {
                skip_list(list).map(|_| Scalar(None))
            }

            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar, A::Error> {
                skip_object(map).map(|_| Scalar(None))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// A truth value that is true.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Flag;

            otherwise!(Flag(false); visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

            #[inline]
            fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Flag, A::Error> {
                skip_list(list).map(|_| Flag(false))
            }

            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Flag, A::Error> {
                skip_object(map).map(|_| Flag(false))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// How long a text is, bytes, or a list, elements; none where it is neither.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length(pub(super) Option<u32>);

impl Length {
    /// It is there, and not empty.
    pub(super) fn is_some(self) -> bool {
        self.0.is_some_and(|length| length > 0)
    }

    fn of(length: usize) -> Length {
        Length(Some(u32::try_from(length).unwrap_or(u32::MAX)))
    }
}

impl<'de> Deserialize<'de> for Length {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Length;

            // A number or a truth value in a text's place is a text of that many signs.
            otherwise!(Length(Some(1)); visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

            #[inline]
            fn visit_str<E: Error>(self, text: &str) -> Result<Length, E> {
                Ok(Length::of(text.len()))
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Length, A::Error> {
                let mut elements = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    elements += 1;
                }
                Ok(Length::of(elements))
            }

            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Length, A::Error> {
                skip_object(map).map(|_| Length(None))
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
}
