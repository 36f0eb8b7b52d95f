//! Times of one request that its server told beside the answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Times of one request by its server's own clock, µs; what it did not tell is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ServerTimes {
    /// In its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_us: Option<u64>,
    /// From the end of the queue to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_us: Option<u64>,
    /// From the first token to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_us: Option<u64>,
    /// From the end of the queue to the last token, where it tells both together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_us: Option<u64>,
}

/// A time beyond this, ms, is none: a year.
const LATEST_MS: f64 = 366.0 * 86_400_000.0;

impl ServerTimes {
    /// Of milliseconds, as servers tell times; none of what cannot be one.
    pub fn us(milliseconds: f64) -> Option<u64> {
        (0.0..=LATEST_MS).contains(&milliseconds).then(|| (milliseconds * 1000.0).round() as u64)
    }

    /// Notes what a response header says (TGI and what is made like it, of an answer that comes whole).
    pub fn note_header(&mut self, name: &str, value: &str) {
        let place = match name {
            "x-queue-time" => &mut self.queue_us,
            "x-inference-time" => &mut self.inference_us,
            _ => return,
        };
        *place = value.trim().parse().ok().and_then(ServerTimes::us);
    }

    /// Boxed, since few requests have any; none where nothing was told.
    pub fn told(self) -> Option<Box<ServerTimes>> {
        (self != ServerTimes::default()).then(|| Box::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_times_in_ms_and_what_is_no_time_is_none() {
        let mut times = ServerTimes::default();
        for (name, value) in
            [("x-queue-time", " 12"), ("x-inference-time", "250"), ("x-total-time", "262"), ("date", "1")]
        {
            times.note_header(name, value);
        }
        let told =
            ServerTimes { queue_us: Some(12_000), inference_us: Some(250_000), ..ServerTimes::default() };
        assert_eq!(times, told);
        for value in ["", "-1", "NaN", "inf", "1e99", "12 ms"] {
            let mut times = ServerTimes::default();
            times.note_header("x-queue-time", value);
            assert_eq!(times.told(), None, "{value}");
        }
    }
}
