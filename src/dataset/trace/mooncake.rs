//! Mooncake: `{timestamp (ms), input_length, output_length, hash_ids}`. An id stands for 512 tokens of the prompt, the
//! last one for what is left, and is the same part of the prompt wherever it stands.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::clock::time_us;
use super::rows::{Format, Raw, Reader, Rows};
use crate::schema::trace::{TimeUnit, TraceFormat};

/// Its JSON lines.
pub(super) const MOONCAKE: Format = Format {
    format: TraceFormat::Mooncake,
    is: |head| {
        head.json
            && head.has(&["timestamp", "input_length", "output_length", "hash_ids"])
            && !head.has(&["chat_id"])
            && !head.objects.iter().any(|name| name == "hash_ids")
    },
    reader: Reader::Lines(rows),
};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: &'a RawValue,
    input_length: u32,
    output_length: u32,
    hash_ids: Box<[u64]>,
}

fn rows(line: &[u8], rows: &mut Rows) -> Result<(), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    rows.push(Raw {
        at_us: time_us(line.timestamp.get(), TimeUnit::Ms)?,
        input_tokens: line.input_length,
        output_tokens: line.output_length,
        blocks: line.hash_ids,
        ..Raw::default()
    })
}
