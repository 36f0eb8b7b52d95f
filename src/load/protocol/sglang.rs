//! SGLang's own protocol, `/generate`.
//!
//! Captures: `tests/wire/sglang-native-*.txt`, read by `tests/wire.rs`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::load::http::sse::Event;
use crate::load::protocol::error_text::ErrorText;
use crate::load::protocol::layout::{Layout, Temperature};
use crate::load::protocol::lenient::{Count, Lax, Length, Scalar, object};
use crate::load::protocol::openai::{no_json, read_named};
use crate::load::protocol::openai_event::finish;
use crate::load::protocol::terms::{Payload, Usage, clip};

pub(super) const PATH: &str = "/generate";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "text",
    limit: "sampling_params.max_new_tokens",
    model: None,
    stream: Some("stream"),
    temperature: Temperature::At("sampling_params.temperature"),
    ignore_eos: Some("sampling_params.ignore_eos"),
    least: Some("sampling_params.min_new_tokens"),
    fixed: &[],
};

/// What an event says; an error, in words, where it is no JSON. Its text is the whole so far, unless the server was
/// started so that it sends what is new alone: then it lists fewer ids than it has generated tokens.
pub(super) fn read(event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
    read_named(event, |data| {
        let read = object::<Reply>(data).map_err(|error| no_json(data, &error))?;
        let Some(reply) = read else { return Ok(Payload::passed_over()) };
        if let Some(text) = text
            && let Ok(Some(TextOf { text: Scalar(Some(piece)) })) = object(data)
        {
            if reply.is_whole() {
                text.clear();
            }
            text.push_str(&piece);
        }
        Ok(reply.payload())
    })
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Reply {
    text: Length,
    output_ids: Length,
    meta_info: Lax<Meta>,
    error: Option<ErrorText>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Meta {
    finish_reason: Option<Reason>,
    prompt_tokens: Count,
    completion_tokens: Count,
    cached_tokens: Count,
    reasoning_tokens: Count,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextOf {
    text: Scalar,
}

impl Reply {
    /// Its text is the whole so far.
    fn is_whole(&self) -> bool {
        let told = self.meta_info.value.as_ref().and_then(|meta| meta.completion_tokens.value);
        let stopped = self.meta_info.value.as_ref().is_some_and(|meta| meta.finish_reason.is_some());
        match (self.output_ids.0, told) {
            // The last of a whole list may lack the end of sequence.
            (Some(ids), Some(told)) => ids + u32::from(stopped) >= told,
            (_, _) => true,
        }
    }

    fn payload(self) -> Payload {
        let so_far = self.text.0.filter(|_| self.is_whole());
        let says_nothing = self.text.0.is_none() && self.meta_info.value.is_none();
        let token = self.text.is_some();
        let odd_meta = self.meta_info.odd;
        let Meta { finish_reason, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens } =
            self.meta_info.value.unwrap_or_default();
        let usage = Usage {
            prompt: prompt_tokens.value,
            completion: completion_tokens.value,
            cached: cached_tokens.value,
            reasoning: reasoning_tokens.value,
            odd: completion_tokens.odd,
        };
        let told = usage != Usage::default();
        let error = self.error.filter(ErrorText::is_error).map(|error| clip(&error.0));
        let (finish, abort) = match finish_reason {
            // Its own words say more than that it gave up.
            Some(Reason { kind, message }) if kind == "abort" && !message.is_empty() => {
                (None, Some(clip(&message)))
            }
            Some(Reason { kind, message: _ }) => (finish(ErrorText(kind)), None),
            None => (None, None),
        };
        let odd = odd_meta || prompt_tokens.odd || completion_tokens.odd || cached_tokens.odd;
        let error = error.or(abort);
        Payload {
            token,
            answer: token,
            finish,
            usage: told.then_some(usage),
            so_far,
            passed_over: odd || (says_nothing && error.is_none()),
            error,
            ..Payload::default()
        }
    }
}

/// `{"type":"length","length":8}`, or a word alone.
#[derive(Default)]
struct Reason {
    kind: String,
    message: String,
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Reason;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a finish reason")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Reason, E> {
                Ok(Reason { kind: word.to_owned(), message: String::new() })
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Reason, E> {
                Ok(Reason::default())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Reason, E> {
                Ok(Reason::default())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Reason, E> {
                Ok(Reason::default())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Reason, E> {
                Ok(Reason::default())
            }

            fn visit_unit<E: Error>(self) -> Result<Reason, E> {
                Ok(Reason::default())
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Reason, A::Error> {
                while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Reason::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reason, A::Error> {
                let mut reason = Reason::default();
                while let Some(key) = map.next_key::<ErrorText>()? {
                    let value = map.next_value::<ErrorText>()?.0;
                    match key.0.as_str() {
                        "type" => reason.kind = value,
                        "message" => reason.message = value,
                        _ => {}
                    }
                }
                Ok(reason)
            }
        }
        deserializer.deserialize_any(Look)
    }
}
