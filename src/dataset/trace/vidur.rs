//! The processed traces of vidur: seconds from 0, with the noise of floats (`5.8926549999999995`).

use super::rows::{Format, Names, Reader};
use crate::schema::trace::TraceFormat;

/// Its CSV.
pub(super) const VIDUR: Format = Format {
    format: TraceFormat::Vidur,
    is: |head| !head.json && head.has(&["arrived_at", "num_prefill_tokens", "num_decode_tokens"]),
    reader: Reader::Table(Names {
        time: "arrived_at",
        input: "num_prefill_tokens",
        output: "num_decode_tokens",
        session: None,
    }),
};
