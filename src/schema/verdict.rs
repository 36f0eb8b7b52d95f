//! What came of holding one target against another: ratios with their intervals, and verdicts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One label against the baseline, at one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// Who is held against the baseline.
    pub label: String,
    /// The baseline's label.
    pub baseline: String,
    /// Which load of the plan, from 1.
    pub point: u32,
    /// Why no ratio is given; empty where the two are comparable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_comparable: Vec<String>,
    /// By metric and statistic, named as the columns of the CSV files: `ttft_ms_p99`, `output_tps`.
    pub ratios: BTreeMap<String, Ratio>,
}

/// A figure of one label over that of the baseline, from the rounds that both have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// Geometric mean of the rounds' ratios: label over baseline.
    pub value: f64,
    /// Low end of the 95 % interval; none below three rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// High end of the 95 % interval; none below three rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Rounds that both have.
    pub rounds: u32,
    /// p value after the correction for several comparisons; none for a figure that carries no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// What follows; none below three rounds, and for a figure that carries no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The smallest difference that these rounds would have shown in four of five tries, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable_pct: Option<f64>,
    /// Further rounds after which 5 % would be shown in four of five tries; none where these rounds do already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_rounds: Option<u32>,
}

/// Whether a label is better than the baseline in one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better, for the figure's own direction: a lower latency, a higher throughput.
    Faster,
    /// Worse.
    Slower,
    /// These rounds show no difference.
    Indistinguishable,
}
