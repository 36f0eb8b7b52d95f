//! Azure's LLM inference traces. 2023: `2023-11-16 18:15:46.6805900`, no zone, CRLF, no newline at the end. 2024: the same
//! columns, six digits of a second and an offset, and no fraction at all on a whole second.

use super::rows::{Format, Names, Reader};
use crate::schema::trace::TraceFormat;

/// The CSV of both years.
pub(super) const AZURE: Format = Format {
    format: TraceFormat::Azure,
    is: |head| !head.json && head.has(&["TIMESTAMP", "ContextTokens", "GeneratedTokens"]),
    reader: Reader::Table(Names {
        time: "TIMESTAMP",
        input: "ContextTokens",
        output: "GeneratedTokens",
        session: None,
    }),
};
