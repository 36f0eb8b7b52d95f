//! What a server says of the requests that it served: its own histograms of times, and what is made of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::figure;

/// A time of which a server keeps a histogram, one value a request (an ITL: one a gap).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerTime {
    /// From the request's arrival to its first token, the queue included.
    Ttft,
    /// In the queue.
    Queue,
    /// From the end of the queue to the first token.
    Prefill,
    /// From the first token to the last.
    Decode,
    /// Between two tokens, or two steps that gave some.
    Itl,
    /// Mean time a token after the first.
    Tpot,
    /// From the request's arrival to its last token.
    E2e,
}

impl ServerTime {
    /// All of them, in the order of the reports.
    pub const ALL: [ServerTime; 7] = [
        ServerTime::Ttft,
        ServerTime::Queue,
        ServerTime::Prefill,
        ServerTime::Decode,
        ServerTime::Itl,
        ServerTime::Tpot,
        ServerTime::E2e,
    ];

    /// The name in files and in a backend's definition.
    pub fn name(self) -> &'static str {
        match self {
            ServerTime::Ttft => "ttft",
            ServerTime::Queue => "queue",
            ServerTime::Prefill => "prefill",
            ServerTime::Decode => "decode",
            ServerTime::Itl => "itl",
            ServerTime::Tpot => "tpot",
            ServerTime::E2e => "e2e",
        }
    }

    /// The name in heads.
    pub fn title(self) -> &'static str {
        match self {
            ServerTime::Ttft => "TTFT",
            ServerTime::Queue => "queue",
            ServerTime::Prefill => "prefill",
            ServerTime::Decode => "decode",
            ServerTime::Itl => "ITL",
            ServerTime::Tpot => "TPOT",
            ServerTime::E2e => "E2E",
        }
    }

    /// The client's metric of the same time; none where a client cannot see it.
    pub fn metric(self) -> Option<&'static str> {
        match self {
            ServerTime::Ttft => Some(figure::TTFT),
            ServerTime::Itl => Some(figure::ITL),
            ServerTime::Tpot => Some(figure::TPOT),
            ServerTime::E2e => Some(figure::E2E),
            ServerTime::Queue | ServerTime::Prefill | ServerTime::Decode => None,
        }
    }
}

/// A histogram as a metrics page shows it, since the server's start or between two readings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Buckets {
    /// Upper bound, s, and the number of values up to it, by rising bound; the infinite one is left out.
    pub up_to: Vec<(f64, f64)>,
    /// All values.
    pub count: f64,
    /// Their sum, s; none where the page does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_s: Option<f64>,
}

/// What a server said of a run's measured requests: the difference of the reading of its page before them and the one
/// behind them, and what the readings between showed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ServedSummary {
    /// The earlier reading, s after the window's start: below 0 it lies before, and what was served between is in it.
    pub from_s: f64,
    /// The later reading, s after the window's start.
    pub to_s: f64,
    /// Its own times; what its page does not show is absent.
    #[serde(default)]
    pub times: BTreeMap<ServerTime, ServedTime>,
    /// Requests that it worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Level>,
    /// Requests in its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Level>,
    /// Used part of the KV cache, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_use: Option<Level>,
    /// Times that a request lost its place in the batch, and was computed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<f64>,
    /// Prompt tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<f64>,
    /// Generated tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_tokens: Option<f64>,
    /// Share of the prompt tokens looked for in the prefix cache that were there, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_hit_share: Option<f64>,
    /// How long the readings of its page took, ms: some servers answer between two steps only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading_ms: Option<Level>,
}

/// A server's time over a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ServedTime {
    /// Values.
    pub count: u64,
    /// Mean, ms, exact; none where the page shows no sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_ms: Option<f64>,
    /// Median; none where the two readings share no bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<Within>,
    /// 90th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<Within>,
    /// 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<Within>,
}

/// A percentile of a histogram: it lies somewhere in its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Within {
    /// Interpolated within the bucket, as PromQL's `histogram_quantile` does, ms; of the last bucket its lower end.
    pub ms: f64,
    /// The bucket's lower end, ms.
    pub low_ms: f64,
    /// Its upper end, ms; none of the last, which has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_ms: Option<f64>,
}

/// A gauge over the measured window, by the readings in it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Mean over the readings.
    pub mean: f64,
    /// The largest.
    pub max: f64,
    /// Readings.
    pub readings: u64,
}

impl ServedSummary {
    /// Mean of a time, ms.
    pub fn mean_ms(&self, time: ServerTime) -> Option<f64> {
        self.times.get(&time)?.mean_ms
    }
}
