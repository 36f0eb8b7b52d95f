//! What came of holding one target against another: ratios with their intervals, and verdicts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::figure::{self, Statistic};
pub use super::interval::Interval;

/// The figures that carry a verdict, the first the one that ranks. Every other figure has a ratio with its interval:
/// each further verdict makes all of them harder to reach.
pub const VERDICT_FIGURES: &[(&str, Statistic)] = &[
    (figure::OUTPUT_TPS, Statistic::Value),
    (figure::TTFT, Statistic::P50),
    (figure::TTFT, Statistic::P99),
    (figure::TPOT, Statistic::P50),
    (figure::E2E, Statistic::P50),
];

/// The figures that `--until-sure` waits for.
pub const SURE_FIGURES: &[(&str, Statistic)] =
    &[(figure::OUTPUT_TPS, Statistic::Value), (figure::TTFT, Statistic::P50)];

/// Rounds below which there is no interval and no verdict.
pub const ROUNDS_FOR_A_VERDICT: u32 = 3;

/// How the verdicts of a comparison were reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictRule {
    /// Comparisons (pairs, loads and figures) that the p values are corrected for, by Holm's method.
    pub corrected_for: u32,
    /// The baseline was not named but is the best by output TPS: the correction is over all pairs.
    pub baseline_chosen: bool,
    /// Rounds were played until each pair was sure; none: as many as were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_sure: Option<UntilSure>,
}

/// What came of `--until-sure`: intervals and verdicts are those of a rule that may look after each round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UntilSure {
    /// A pair is sure where a difference is shown, or where the interval lies within so many %.
    pub within_pct: f64,
    /// Rounds that all backends closed.
    pub rounds: u32,
    /// The most that were allowed.
    pub rounds_max: u32,
    /// Every pair is sure.
    pub sure: bool,
}

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
