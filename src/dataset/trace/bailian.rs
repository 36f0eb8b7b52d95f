//! Bailian (Qwen): `{chat_id, parent_chat_id (-1: a first turn), timestamp (s), input_length, output_length, type, turn,
//! hash_ids}`, blocks of 16 tokens. A session is a chain of parents: it bears the name of its first turn.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::clock::time_us;
use super::rows::{Format, Raw, Reader, Rows};
use crate::schema::trace::{TimeUnit, TraceFormat};

/// Its JSON lines.
pub(super) const BAILIAN: Format = Format {
    format: TraceFormat::Bailian,
    is: |head| head.json && head.has(&["chat_id", "timestamp", "input_length", "output_length", "hash_ids"]),
    reader: Reader::Lines(rows),
};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: &'a RawValue,
    #[serde(borrow)]
    chat_id: &'a RawValue,
    #[serde(borrow, default)]
    parent_chat_id: Option<&'a RawValue>,
    input_length: u32,
    output_length: u32,
    hash_ids: Box<[u64]>,
}

fn rows(line: &[u8], rows: &mut Rows) -> Result<(), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let id = line.chat_id.get();
    let parent = line.parent_chat_id.map(RawValue::get).filter(|parent| !matches!(*parent, "-1" | "null"));
    let session = parent.and_then(|parent| rows.chain(parent)).unwrap_or_else(|| id.to_owned());
    rows.follow(id, &session);
    let time = line.timestamp.get();
    let time = time.strip_prefix('"').and_then(|time| time.strip_suffix('"')).unwrap_or(time);
    rows.push(Raw {
        at_us: time_us(&Cow::from(time), TimeUnit::S)?,
        input_tokens: line.input_length,
        output_tokens: line.output_length,
        blocks: line.hash_ids,
        session: &session,
        ..Raw::default()
    })
}
