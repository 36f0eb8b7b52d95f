//! TGI's own protocol: `/generate_stream` and `/generate`.
//!
//! Captures: `tests/wire/tgi-native-*.txt`, read by `tests/wire.rs`.

use crate::load::http::sse::Event;
use crate::load::protocol::error_text::ErrorText;
use crate::load::protocol::layout::{Fixed, Layout, Temperature};
use crate::load::protocol::lenient::{Count, Flag, Lax, Length, Present, Scalar, object};
use crate::load::protocol::openai::{no_json, read_named};
use crate::load::protocol::openai_event::finish;
use crate::load::protocol::terms::{Payload, Usage, clip};

pub(super) const STREAM_PATH: &str = "/generate_stream";
pub(super) const WHOLE_PATH: &str = "/generate";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "inputs",
    limit: "parameters.max_new_tokens",
    model: None,
    stream: None,
    temperature: Temperature::AtOrGreedy("parameters.temperature", "parameters.do_sample"),
    ignore_eos: None,
    least: None,
    // Without them the end of an answer tells neither its reason nor its tokens.
    fixed: &[("parameters.details", Fixed::Flag(true))],
};

/// What an event says; an error, in words, where it is no JSON. Each event is one token, and tells which one it is;
/// an end of sequence is an event too, `special`, and shows nothing.
pub(super) fn read(event: &Event<'_>, streams: bool, text: Option<&mut String>) -> Result<Payload, String> {
    read_named(event, |data| {
        let read = object::<Reply>(data).map_err(|error| no_json(data, &error))?;
        let Some(reply) = read else { return Ok(Payload::passed_over()) };
        if let Some(text) = text {
            keep(data, streams, text);
        }
        Ok(reply.payload(streams))
    })
}

/// Appends the text. It is read a second time, so that an answer whose text nobody wants pays nothing.
fn keep(data: &[u8], streams: bool, text: &mut String) {
    let Ok(Some(Texts { token, generated_text })) = object(data) else { return };
    let token = token.value.filter(|token: &TokenText| !token.special.0).and_then(|token| token.text.0);
    text.extend(if streams { token } else { generated_text.0 });
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Reply {
    index: Count,
    token: Lax<Token>,
    generated_text: Length,
    details: Lax<Details>,
    error: Option<ErrorText>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Token {
    text: Present,
    special: Flag,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Details {
    finish_reason: Option<ErrorText>,
    generated_tokens: Count,
    input_length: Count,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Texts {
    token: Lax<TokenText>,
    generated_text: Scalar,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TokenText {
    text: Scalar,
    special: Flag,
}

impl Reply {
    fn payload(self, streams: bool) -> Payload {
        let Reply { index, token, generated_text, details, error } = self;
        let is_token = token.value.as_ref().is_some_and(|token| token.text.0 && !token.special.0);
        let is_last = generated_text.0.is_some() || details.value.is_some();
        let says_nothing = token.value.is_none() && !is_last;
        let details = details.value.unwrap_or_default();
        let completion =
            if details.generated_tokens == Count::default() { index } else { details.generated_tokens };
        let odd = completion.odd || details.input_length.odd;
        let told = completion.value.is_some() || completion.odd || details.input_length.value.is_some();
        let usage = Usage {
            prompt: details.input_length.value,
            completion: completion.value,
            odd: completion.odd,
            ..Usage::default()
        };
        let error = error.filter(ErrorText::is_error).map(|error| clip(&error.0));
        let token = if streams { is_token } else { generated_text.is_some() };
        Payload {
            token,
            answer: token,
            finish: details.finish_reason.and_then(finish),
            usage: told.then_some(usage),
            done: is_last && error.is_none(),
            passed_over: odd || (says_nothing && error.is_none()),
            error,
            ..Payload::default()
        }
    }
}
