//! Runs over time: what `harness trend` says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `harness trend --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendFile {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `trend`
    pub kind: String,
    /// The files that were read.
    pub paths: Vec<String>,
    /// Pretend engines: no number says anything about a real one.
    pub simulated: bool,
    /// The figures, named as columns of CSV files.
    pub figures: Vec<String>,
    /// Runs of the same backend, model, dataset and load.
    pub groups: Vec<TrendGroup>,
    /// Rows that are none of this program's or hold no time.
    pub passed_over: u64,
}

/// Runs of the same thing, in the order of their time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendGroup {
    /// What was measured.
    #[serde(flatten)]
    pub of: TrendKey,
    /// A point a plan: its rounds are one value.
    pub points: Vec<TrendPoint>,
    /// Runs that failed, were cut short or failed over 1 % of their requests: they enter no figure.
    pub apart: Vec<RunApart>,
}

/// What makes runs comparable over time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TrendKey {
    /// The label.
    pub backend: String,
    /// Model name.
    pub model: String,
    /// Weights' precision.
    pub precision: String,
    /// Dataset.
    pub dataset: String,
    /// `chat`, `completions`; empty in rows of before that was kept.
    pub endpoint: String,
    /// The load in words.
    pub load: String,
}

/// The runs of one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendPoint {
    /// When the first of them began.
    pub at: Timestamp,
    /// The plan's run id.
    pub run_id: String,
    /// Rounds that count.
    pub rounds: u32,
    /// The engine's version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// By figure.
    pub figures: BTreeMap<String, TrendFigure>,
}

/// One figure of a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendFigure {
    /// Geometric mean over rounds; of a figure in % the arithmetic one.
    pub value: f64,
    /// Against the mean of the earlier runs of its level, %; of a figure in %: percentage points. None of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_pct: Option<f64>,
    /// How probable a run at least as far off is where nothing changed, after Holm's correction over the figures; none
    /// below three earlier runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// It is marked as a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<TrendMark>,
}

/// Which way a figure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrendMark {
    /// For the better.
    Better,
    /// For the worse.
    Worse,
}

/// A run that enters no figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunApart {
    /// When it began, or its backend failed.
    pub at: Timestamp,
    /// The plan's run id.
    pub run_id: String,
    /// `failed`, `partial`, `failures`.
    pub why: String,
}
