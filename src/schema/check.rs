//! A result held against an earlier one: what `harness check` says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::figure::Better;

/// What `harness check --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckFile {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `check`
    pub kind: String,
    /// The result that is checked.
    pub result: CheckedResult,
    /// What it is held against.
    pub baseline: CheckedResult,
    /// Every figure that was asked for, of each label at each load.
    pub rows: Vec<CheckRow>,
    /// What makes the two no measurement of the same thing; `--force` goes on nevertheless.
    pub differences: Vec<Difference>,
    /// What differs and may: versions, the host's name.
    pub changes: Vec<Difference>,
    /// What could not be checked, a sentence each: labels and loads that the baseline alone has.
    pub not_checked: Vec<String>,
    /// What else is to be known, a sentence each: runs that were left out, what the result alone has.
    pub notes: Vec<String>,
    /// What follows.
    pub outcome: CheckOutcome,
}

/// One side of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedResult {
    /// Where it lies, as it was given.
    pub path: String,
    /// Run ids of its plans.
    pub run_ids: Vec<String>,
}

/// A fact in which the two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Which fact, of which label: `vllm: precision`.
    pub what: String,
    /// The baseline's.
    pub baseline: String,
    /// The result's.
    pub now: String,
}

/// One figure of one label at one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckRow {
    /// The label in the result.
    pub label: String,
    /// The label in the baseline.
    pub baseline_label: String,
    /// The load in words.
    pub load: String,
    /// The figure, named as its column in CSV files: `ttft_ms_p99`, `output_tps`.
    pub figure: String,
    /// Which way is better.
    pub better: Better,
    /// Of the baseline; none where it has no value.
    pub baseline: Option<OverRounds>,
    /// Of the result; none where it has no value.
    pub now: Option<OverRounds>,
    /// It may be worse by so much, %; of a figure in %: percentage points.
    pub limit_pct: f64,
    /// From the baseline to the result; none where a side has no value.
    pub change: Option<Change>,
    /// What follows.
    pub verdict: CheckVerdict,
}

/// A figure over rounds, in the figure's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverRounds {
    /// Geometric mean of the rounds' values; of a figure in % the arithmetic one.
    pub value: f64,
    /// Rounds, each one value.
    pub rounds: u32,
}

/// By how much a figure changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// %, up is positive; of a figure in %: percentage points.
    pub pct: f64,
    /// Low end of the 95 % interval; none below three rounds a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_pct: Option<f64>,
    /// High end of the 95 % interval; none below three rounds a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_pct: Option<f64>,
    /// p value of no change, after Holm's correction over all rows; none below three rounds a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The smallest change for the worse that these rounds would have shown in four of five tries, alone; none below
    /// three rounds a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectable_pct: Option<f64>,
}

/// What is said of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// Worse by more than its limit, and that is real.
    Regression,
    /// Worse by more than its limit in these rounds, which may be chance.
    NotShown,
    /// No worse than its limit allows.
    WithinLimit,
    /// Better, and that is real.
    Better,
    /// A side has fewer than three rounds: nothing can be shown to be real.
    CannotTell,
    /// A side has no value.
    NoValue,
}

/// What is said of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// No figure regressed, as far as could be told.
    Passed,
    /// Some figure regressed.
    Regressed,
    /// None regressed, and something could not be checked.
    NotChecked,
}

impl CheckFile {
    /// Something was neither shown to be a regression nor to be none: too few rounds, or a change beyond its limit
    /// that may be chance.
    pub fn leaves_doubt(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.verdict, CheckVerdict::CannotTell | CheckVerdict::NotShown))
    }
}
