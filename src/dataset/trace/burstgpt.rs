//! BurstGPT 1 to 3. Part 3 has two columns more, in second and third place, so columns go by name. Times are whole
//! seconds, those of part 3 written as floats. `Response tokens` 0 marks a request that failed.

use super::rows::{Format, Names, Reader};
use crate::schema::trace::TraceFormat;

/// All parts.
pub(super) const BURSTGPT: Format = Format {
    format: TraceFormat::BurstGpt,
    is: |head| !head.json && head.has(&["Timestamp", "Request tokens", "Response tokens"]),
    reader: Reader::Table(Names {
        time: "Timestamp",
        input: "Request tokens",
        output: "Response tokens",
        session: Some("Session ID"),
    }),
};
