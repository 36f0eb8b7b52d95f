//! The words of an error, however a server wraps them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What stands for the message of an error that has none.
pub(super) const NO_MESSAGE: &str = "error without a message";

/// The message of an error member: a text, or an object with a message. Of a value of another type its JSON-like
/// form, so that an odd error stays an error.
pub(super) struct ErrorText(pub(super) String);

impl ErrorText {
    /// A member that says no is no error: `false`, `0`, an empty text, list or object.
    pub(super) fn is_error(&self) -> bool {
        !matches!(self.0.as_str(), "" | "false" | "0")
    }
}

impl<'de> Deserialize<'de> for ErrorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = ErrorText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an error")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ErrorText, E> {
                Ok(ErrorText(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<ErrorText, E> {
                Ok(ErrorText(value.to_string()))
            }

            fn visit_unit<E: Error>(self) -> Result<ErrorText, E> {
                Ok(ErrorText(String::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ErrorText, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = list.next_element::<ErrorText>()? {
                    all.push(item.0);
                }
                Ok(ErrorText(all.join("; ")))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ErrorText, A::Error> {
                let (mut message, mut kind, mut any) = (String::new(), String::new(), false);
                let mut other = String::new();
                while let Some(key) = map.next_key::<ErrorText>()? {
                    let value = map.next_value::<ErrorText>()?;
                    // Where all is empty, nothing went wrong: programs in Go write such objects.
                    any |= value.is_error();
                    let value = value.0;
                    match key.0.as_str() {
                        "message" | "msg" => message = value,
                        "type" => kind = value,
                        "detail" | "details" | "description" | "reason" | "error" => other = value,
                        _ => {}
                    }
                }
                let nothing = if any { NO_MESSAGE.to_owned() } else { String::new() };
                let told = [message, other, kind].into_iter().find(|text| !text.is_empty());
                Ok(ErrorText(told.unwrap_or(nothing)))
            }
        }
        deserializer.deserialize_any(Look)
    }
}
