//! llama-server's own protocol, `/completion`.
//!
//! Captures: `tests/wire/llamacpp-native-*.txt`, read by `tests/wire.rs`.

use crate::schema::server_times::ServerTimes;

use crate::load::http::sse::Event;
use crate::load::protocol::error_text::ErrorText;
use crate::load::protocol::layout::{Layout, Temperature};
use crate::load::protocol::lenient::{Count, Flag, Lax, Present, Scalar, object};
use crate::load::protocol::openai::{no_json, read_named};
use crate::load::protocol::server_times::Milliseconds;
use crate::load::protocol::terms::{Finish, FinishKind, Payload, Usage, clip};

pub(super) const PATH: &str = "/completion";

pub(super) const LAYOUT: Layout = Layout {
    prompt: "prompt",
    limit: "n_predict",
    // A server of several models needs it, and another passes over it.
    model: Some("model"),
    stream: Some("stream"),
    temperature: Temperature::At("temperature"),
    ignore_eos: Some("ignore_eos"),
    least: None,
    fixed: &[],
};

/// What an event says; an error, in words, where it is no JSON. Each tells how many tokens there are so far.
pub(super) fn read(event: &Event<'_>, text: Option<&mut String>) -> Result<Payload, String> {
    read_named(event, |data| {
        let read = object::<Reply>(data).map_err(|error| no_json(data, &error))?;
        let Some(reply) = read else { return Ok(Payload::passed_over()) };
        if let Some(text) = text
            && let Ok(Some(TextOf { content: Scalar(Some(piece)) })) = object(data)
        {
            text.push_str(&piece);
        }
        Ok(reply.payload())
    })
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Reply {
    content: Option<Present>,
    stop: Flag,
    stop_type: Option<ErrorText>,
    /// As older builds say it.
    stopped_eos: Flag,
    stopped_word: Flag,
    stopped_limit: Flag,
    tokens_predicted: Count,
    tokens_evaluated: Count,
    timings: Lax<Timings>,
    error: Option<ErrorText>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Timings {
    cache_n: Count,
    prompt_ms: Milliseconds,
    predicted_ms: Milliseconds,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct TextOf {
    content: Scalar,
}

impl Reply {
    fn payload(self) -> Payload {
        let finish = self.finish();
        let token = self.content.is_some_and(|content| content.0);
        let Timings { cache_n, prompt_ms, predicted_ms } = self.timings.value.unwrap_or_default();
        let times =
            ServerTimes { prefill_us: prompt_ms.0, decode_us: predicted_ms.0, ..ServerTimes::default() };
        let usage = Usage {
            prompt: self.tokens_evaluated.value,
            completion: self.tokens_predicted.value,
            cached: cache_n.value,
            reasoning: None,
            odd: self.tokens_predicted.odd,
        };
        let told = usage != Usage::default();
        let error = self.error.filter(ErrorText::is_error).map(|error| clip(&error.0));
        let says_nothing = self.content.is_none() && !self.stop.0;
        let odd = self.tokens_predicted.odd || self.tokens_evaluated.odd;
        Payload {
            token,
            answer: token,
            finish,
            usage: told.then_some(usage),
            times: times.told(),
            done: self.stop.0 && error.is_none(),
            passed_over: odd || (says_nothing && error.is_none()),
            error,
            ..Payload::default()
        }
    }

    fn finish(&self) -> Option<Finish> {
        if !self.stop.0 {
            return None;
        }
        let word = match &self.stop_type {
            Some(ErrorText(word)) => word.as_str(),
            None if self.stopped_eos.0 => "eos",
            None if self.stopped_word.0 => "word",
            None if self.stopped_limit.0 => "limit",
            None => "none",
        };
        let kind = match word {
            "eos" | "word" => FinishKind::Stopped,
            _ => FinishKind::Other,
        };
        Some(Finish { word: clip(word), kind })
    }
}
