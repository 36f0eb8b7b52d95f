//! What is sensed while a run goes, on the run's clock, and the files that hold it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::RunKey;

/// What a sensor read at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When the sensor was asked, µs from the run's start.
    pub at_us: u64,
    /// How long the answer took, µs: the values are of some moment within it.
    pub took_us: u64,
    /// Which sensor.
    pub source: Source,
    /// Values by the names of [`SERIES`]; what the sensor does not show is absent.
    pub values: BTreeMap<String, f64>,
}

impl Sample {
    /// The middle of the reading, seconds from the run's start.
    pub fn middle_s(&self) -> f64 {
        (self.at_us as f64 + self.took_us as f64 / 2.0) / 1e6
    }
}

/// A sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The server's own metrics page.
    Server,
}

impl Source {
    /// As a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            Source::Server => "the server's metrics page",
        }
    }
}

/// A series' row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Key in files.
    pub name: &'static str,
    /// Short name in heads and axes.
    pub title: &'static str,
    /// `requests`, `share`, `tok`
    pub unit: &'static str,
    /// Whose it is.
    pub source: Source,
    /// What it is.
    pub about: &'static str,
}

/// Requests that the server works on.
pub const SERVER_RUNNING: &str = "server_running";
/// Requests that wait at the server.
pub const SERVER_WAITING: &str = "server_waiting";
/// Used part of the KV cache.
pub const SERVER_KV_CACHE_USE: &str = "server_kv_cache_use";
/// Prompt tokens since the server's start.
pub const SERVER_PROMPT_TOKENS: &str = "server_prompt_tokens";
/// Generated tokens since the server's start.
pub const SERVER_GENERATED_TOKENS: &str = "server_generated_tokens";

const fn server(name: &'static str, title: &'static str, unit: &'static str, about: &'static str) -> Series {
    Series { name, title, unit, source: Source::Server, about }
}

/// Every series that can be sensed.
pub const SERIES: &[Series] = &[
    server(SERVER_RUNNING, "Running", "requests", "requests that the server works on"),
    server(SERVER_WAITING, "Waiting", "requests", "requests in the server's queue"),
    server(SERVER_KV_CACHE_USE, "KV cache", "share", "used part of the KV cache, 0 to 1; mean over engines"),
    server(SERVER_PROMPT_TOKENS, "Prompt tokens", "tok", "prompt tokens since the server's start"),
    server(SERVER_GENERATED_TOKENS, "Generated tokens", "tok", "generated tokens since the server's start"),
];

/// First line of a samples file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplesHeader {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `samples`
    pub kind: String,
    /// Which run of the plan.
    #[serde(flatten)]
    pub key: RunKey,
    /// The plan's run id.
    pub run_id: String,
    /// Wall time of the run's start, µs 0 of the samples.
    pub started_at: Timestamp,
    /// Seconds between two readings.
    pub interval_s: f64,
    /// The series that its sensors can show.
    pub series: Vec<SeriesHead>,
}

/// A series as a samples file names it, for readers that do not know the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesHead {
    /// Key in the samples.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// What it is.
    pub about: String,
}

/// Last line of a samples file: its absence marks a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplesFooter {
    /// `end`
    pub kind: String,
    /// Samples above it.
    pub samples: u64,
    /// How each sensor did.
    pub sensors: Vec<SensorTally>,
}

/// How a sensor did over a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SensorTally {
    /// Which.
    pub source: Source,
    /// Samples.
    pub samples: u64,
    /// Times that passed while an earlier reading still took: they were left out.
    pub skipped: u64,
    /// Readings that failed.
    pub failed: u64,
    /// Lines of its pages that could not be read.
    pub broken_lines: u64,
    /// What the first failure said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// One sensor's series, as a run's JSON holds them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SensedSeries {
    /// Seconds between two readings.
    pub interval_s: f64,
    /// Samples read.
    pub samples: u64,
    /// Times left out, because an earlier reading still took; none where a crash left no word of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// Readings that failed; none where a crash left no word of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// What went wrong first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// By the names of [`SERIES`]: seconds from the run's start and value, thinned to a bound.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
}
