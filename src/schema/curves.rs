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
    /// Distribution functions by metric (`ttft_ms`, `itl_ms`, `e2e_ms`): (value, % of values at or below it), at most
    /// [`CURVE_POINTS`] points.
    #[serde(default)]
    pub ecdf: BTreeMap<String, Vec<(f64, f64)>>,
    /// (seconds after the window's start, output tokens per second), evenly spaced.
    #[serde(default)]
    pub output_tps: Vec<(f64, f64)>,
    /// (place in the order of sending, output tokens per second of the requests around it).
    #[serde(default)]
    pub output_tps_by_request: Vec<(f64, f64)>,
    /// (seconds after the window's start, requests sent and not yet ended), evenly spaced.
    #[serde(default)]
    pub in_flight: Vec<(f64, f64)>,
    /// (seconds after the window's start, requests due and not yet sent), evenly spaced.
    #[serde(default)]
    pub queued: Vec<(f64, f64)>,
    /// Latency by the dataset's category.
    #[serde(default)]
    pub by_category: Vec<LatencyOf>,
    /// Latency by prompt length in tokens, from short to long.
    #[serde(default)]
    pub by_prompt_tokens: Vec<LatencyOf>,
}

/// Latency of some of a run's requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyOf {
    /// Which: a category, or `129 to 256` tokens.
    pub name: String,
    /// TTFT, ms.
    pub ttft_ms: Option<Distribution>,
    /// E2E, ms.
    pub e2e_ms: Option<Distribution>,
}
