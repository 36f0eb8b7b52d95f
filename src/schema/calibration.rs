//! How exact this client is on this machine, held against a server that knows the truth.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_threads::ClientThreads;
use super::summary::Distribution;

/// `calibration.json` in the data directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `calibration`
    pub kind: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The version of this program that it was taken with.
    pub harness_version: String,
    /// The machine: another one's figures do not hold here.
    pub hostname: String,
    /// Its processor.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// Threads of the load engine.
    pub client_threads: ClientThreads,
    /// One entry a load, in the order of play.
    pub loads: Vec<Exactness>,
    /// Up to where the error stays under 1 ms.
    pub limit: ExactUpTo,
}

/// The highest loads that passed with all lighter ones of their kind; 0 where none did, none where none of
/// the kind was played: of that kind nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExactUpTo {
    /// Requests in flight in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
    /// Tokens a second over all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f64>,
    /// Requests a second of an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Load threads that were asked for; none: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_threads: Option<ClientThreads>,
    /// The most load threads that an exact load was played with; none: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads_played: Option<u32>,
}

/// A load is exact where the p99 of each of its errors is under this, ms.
pub const EXACT_BELOW_MS: f64 = 1.0;

/// A load to calibrate at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "loop", rename_all = "snake_case")]
pub enum CalibrationLoad {
    /// So many requests in flight.
    Closed {
        /// Requests in flight.
        streams: u32,
        /// Tokens a second of each.
        tokens_per_s: f64,
    },
    /// Short requests that start by a Poisson process.
    Open {
        /// Requests a second.
        rate: f64,
    },
}

/// What the client got wrong at one load. Every figure pairs one request, or one token, of the client
/// with the same of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exactness {
    /// The load.
    pub load: CalibrationLoad,
    /// Requests issued.
    pub issued: u64,
    /// Completed ones that the server's truth holds too: what the figures are made of.
    pub paired: u64,
    /// Their tokens, by the server's count.
    pub tokens: u64,
    /// Requests whose events are as many as the server's writes: what ITL errors are made of.
    pub paired_for_itl: u64,
    /// Client's TTFT minus the server's (first write − arrival).
    pub ttft: Option<ErrorFigures>,
    /// A gap between two tokens at the client minus the same gap at the server.
    pub itl: Option<ErrorFigures>,
    /// What the server's writes of tokens took, ms: at some moment of it the bytes left, so that by so much
    /// an error may be the server's.
    #[serde(default)]
    pub write_ms: Option<Distribution>,
    /// Arrival at the server minus the client's `sent`, ms.
    pub arrival_minus_sent_ms: Option<Distribution>,
    /// The client's stamp of a token minus the begin of the server's write of it, ms.
    pub stamp_minus_write_ms: Option<Distribution>,
    /// The client's `sent` minus the due time, ms; open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_delay_ms: Option<Distribution>,
    /// Arrival at the server minus the due time, ms; open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_minus_due_ms: Option<Distribution>,
    /// How arrivals at the server are spread; open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<GapFigures>,
    /// Share of token-carrying events that are merged, as in every run
    /// ([`super::record::Chunk::is_merged`]: the stamp may be late by over 0.1 ms), 0 to 1.
    pub merged_events: f64,
    /// CPU of the load threads and the pacer in the measured phase, µs a token.
    pub cpu_us_per_token: Option<f64>,
    /// Load threads that played it; 0 in a file of before it was kept.
    #[serde(default)]
    pub threads: u32,
}

/// A signed error, ms. The server's writes count from their begin, so that an error to the late side is
/// rather too large than too small.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorFigures {
    /// Pairs.
    pub count: u64,
    /// Mean with its sign: above 0 the client reads too long, ms.
    pub mean_ms: f64,
    /// Median of its size, ms.
    pub p50_ms: f64,
    /// 99th percentile of its size, ms.
    pub p99_ms: f64,
    /// Its largest size, ms.
    pub max_ms: f64,
    /// 99th percentile of its least size, wherever in its call each write's bytes left: so much of the error
    /// no write of the server explains, ms.
    #[serde(default)]
    pub beyond_writes_p99_ms: f64,
}

/// How points are spread in time. A Poisson process has 1, 1 and 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GapFigures {
    /// Standard deviation of the gaps over their mean.
    pub variation: f64,
    /// Variance over mean of the counts in windows of 10 ms.
    pub dispersion: f64,
    /// Correlation of each gap with the next.
    pub lag_1: f64,
}
