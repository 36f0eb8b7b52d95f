//! A part of a run, told apart by what its requests have in common: their turn, model or endpoint.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::request_counts::RequestCounts;

/// What tells the parts of a run apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SliceBy {
    /// The turn of its conversation, from 1.
    Turn,
    /// The model that was asked.
    Model,
    /// The URL that it went to.
    Endpoint,
}

impl SliceBy {
    /// All, in the order in which they are shown.
    pub const ALL: [SliceBy; 3] = [SliceBy::Turn, SliceBy::Model, SliceBy::Endpoint];

    /// As a column's head: `Turn`.
    pub fn name(self) -> &'static str {
        match self {
            SliceBy::Turn => "Turn",
            SliceBy::Model => "Model",
            SliceBy::Endpoint => "Endpoint",
        }
    }
}

/// The requests of a run that have one thing in common. Latencies and tokens are of completed ones, rates over the whole
/// run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// What they have in common.
    pub by: SliceBy,
    /// `1` for first turns, a model's name, a URL.
    pub name: String,
    /// How many, and what became of them.
    pub requests: RequestCounts,
    /// Prompt tokens, history included.
    pub prompt_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Of the prompt tokens, the share that the conversation before it makes: the prompt before and its answer, as the
    /// server counted them, %. None of first turns, and where a count is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_pct: Option<f64>,
    /// Output tokens per second of the run.
    pub output_tps: f64,
    /// Completed requests per second of the run.
    pub rps: f64,
    /// TTFT, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<Distribution>,
    /// TPOT, ms; none where the run's is withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<Distribution>,
    /// E2E, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e_ms: Option<Distribution>,
}
