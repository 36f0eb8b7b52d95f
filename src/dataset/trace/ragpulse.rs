//! RAGPulse: `{timestamp (s, as a string), input_length, output_length, hash_ids, session_id}`. `hash_ids` is an object of
//! five lists, ids of a prompt's components, whose lengths it does not tell. The file is two weeks one after the
//! other, each from 0.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::clock::time_us;
use super::rows::{Format, Raw, Reader, Rows};
use crate::schema::trace::{TimeUnit, TraceFormat};

/// Its JSON lines.
pub(super) const RAGPULSE: Format = Format {
    format: TraceFormat::RagPulse,
    is: |head| {
        head.json
            && head.has(&["timestamp", "input_length", "output_length", "session_id"])
            && head.objects.iter().any(|name| name == "hash_ids")
    },
    reader: Reader::Lines(rows),
};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: &'a RawValue,
    input_length: u32,
    output_length: u32,
    hash_ids: Components,
    #[serde(borrow)]
    session_id: Cow<'a, str>,
}

/// In the order in which a prompt holds them.
#[derive(Deserialize)]
struct Components {
    #[serde(default)]
    sys_prompt: Vec<u64>,
    #[serde(default)]
    passages_ids: Vec<u64>,
    #[serde(default)]
    history: Vec<u64>,
    #[serde(default)]
    web_search: Vec<u64>,
    #[serde(default)]
    user_input: Vec<u64>,
}

fn rows(line: &[u8], rows: &mut Rows) -> Result<(), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Components { sys_prompt, passages_ids, history, web_search, user_input } = line.hash_ids;
    let time = line.timestamp.get().trim_matches('"');
    rows.push(Raw {
        at_us: time_us(time, TimeUnit::S)?,
        input_tokens: line.input_length,
        output_tokens: line.output_length,
        blocks: [sys_prompt, passages_ids, history, web_search, user_input].concat().into(),
        session: &line.session_id,
        ..Raw::default()
    })
}
