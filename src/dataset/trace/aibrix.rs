//! AIBrix' workload files: `{"timestamp": ms, "requests": [{"Prompt Length", "Output Length", "prompt"}, …]}`, several
//! requests a line, which are due together.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::clock::time_us;
use super::rows::{Format, Raw, Reader, Rows};
use crate::schema::trace::{TimeUnit, TraceFormat};

/// Its JSON lines.
pub(super) const AIBRIX: Format = Format {
    format: TraceFormat::Aibrix,
    is: |head| head.json && head.has(&["timestamp", "requests"]),
    reader: Reader::Lines(rows),
};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: &'a RawValue,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "Prompt Length", alias = "prompt_length")]
    prompt_length: Option<u32>,
    #[serde(rename = "Output Length", alias = "output_length")]
    output_length: Option<u32>,
    #[serde(default)]
    prompt: Option<String>,
}

fn rows(line: &[u8], rows: &mut Rows) -> Result<(), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let at_us = time_us(line.timestamp.get().trim_matches('"'), TimeUnit::Ms)?;
    let lengths = |request: &Request| Some((request.prompt_length?, request.output_length?));
    let known: Option<Vec<(u32, u32)>> = line.requests.iter().map(lengths).collect();
    let known = known.ok_or("a request without `Prompt Length` or `Output Length`")?;
    for ((input_tokens, output_tokens), request) in known.into_iter().zip(line.requests) {
        let prompt = request.prompt.filter(|prompt| !prompt.trim().is_empty());
        rows.push(Raw { at_us, input_tokens, output_tokens, prompt, ..Raw::default() })?;
    }
    Ok(())
}
