//! Curves of one run, bounded however long it is: what charts are drawn from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

/// Points that a curve holds at most.
pub const CURVE_POINTS: usize = 512;

/// Curves of one run, over its measured requests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RunCurves {
    /// The window's start, seconds after the run's start, µs 0 of its stamps: where the other curves begin.
    #[serde(default)]
    pub from_s: f64,
    /// Distribution functions by metric (`ttft_ms`, `itl_ms`, `e2e_ms`): (value, % of values at or below it), at most
    /// [`CURVE_POINTS`] points.
    #[serde(default)]
    pub ecdf: BTreeMap<String, Vec<(f64, f64)>>,
    /// (seconds after the window's start, output tokens per second), evenly spaced: the middle of each stretch with
    /// its mean. Tokens as chunks carried them, whatever became of their request.
    #[serde(default)]
    pub output_tps: Vec<(f64, f64)>,
    /// (place in the order of sending, from 1; output tokens / E2E of the requests around it, tok/s): how fast one
    /// request was served. Of completed requests.
    #[serde(default)]
    pub output_tps_by_request: Vec<(f64, f64)>,
    /// (seconds after the window's start, requests sent and not yet ended), evenly spaced: the middle of each
    /// stretch with its mean.
    #[serde(default)]
    pub in_flight: Vec<(f64, f64)>,
    /// The same of requests due and not yet sent; empty where none ever waited.
    #[serde(default)]
    pub queued: Vec<(f64, f64)>,
    /// Latency by the dataset's category, in the order of the alphabet; empty where none is known, or too many.
    #[serde(default)]
    pub by_category: Vec<LatencyOf>,
    /// Latency by prompt length in tokens, from short to long.
    #[serde(default)]
    pub by_prompt_tokens: Vec<LatencyOf>,
}

impl RunCurves {
    /// Nothing is known of the run.
    pub fn is_empty(&self) -> bool {
        *self == RunCurves::default()
    }
}

/// Latency of some of a run's requests, those that were completed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyOf {
    /// Which: a category, or `129 to 256` prompt tokens.
    pub name: String,
    /// TTFT, ms.
    pub ttft_ms: Option<Distribution>,
    /// E2E, ms.
    pub e2e_ms: Option<Distribution>,
}
