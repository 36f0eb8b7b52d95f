//! Events of a protocol that needs no reader of its own: their text lies at a path, and so may a count of tokens.

use crate::load::http::sse::Event;
use crate::load::protocol::json_path::{Step, follow};
use crate::load::protocol::lenient::{Count, Present, Scalar};
use crate::load::protocol::openai::{error_of, no_json, read_named};
use crate::load::protocol::terms::{Payload, Usage};

/// Where an event has what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    /// Its text: the first of these that is there.
    pub(super) text: &'a [&'a [Step]],
    /// Output tokens so far.
    pub(super) tokens: Option<&'a [Step]>,
}

/// What an event says; an error, in words, where it is no JSON.
pub(super) fn read(
    event: &Event<'_>,
    places: Places<'_>,
    text: Option<&mut String>,
) -> Result<Payload, String> {
    read_named(event, |data| message(data, places, text).map_err(|error| no_json(data, &error)))
}

fn message(data: &[u8], places: Places<'_>, text: Option<&mut String>) -> Result<Payload, serde_json::Error> {
    let mut payload = Payload::passed_over();
    for path in places.text {
        if let Some(present) = follow::<Present>(path, data)? {
            payload.passed_over = false;
            payload.token = present.0;
            payload.answer = present.0;
            if let Some(text) = text
                && let Some(Scalar(Some(piece))) = follow(path, data)?
            {
                text.push_str(&piece);
            }
            break;
        }
    }
    if let Some(path) = places.tokens
        && let Some(count) = follow::<Count>(path, data)?.filter(|count| count.value.is_some() || count.odd)
    {
        payload.passed_over = count.odd;
        payload.usage = Some(Usage { completion: count.value, odd: count.odd, ..Usage::default() });
    }
    if !payload.token {
        payload.error = error_of(data);
        payload.passed_over &= payload.error.is_none();
    }
    Ok(payload)
}
