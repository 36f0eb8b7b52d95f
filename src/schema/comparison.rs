//! Runs side by side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::caveat::Caveat;
use super::figure::Statistic;
use super::plan::Skipped;
use super::summary::RunSummary;

/// Runs of the same traffic on several targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The plan's run id.
    pub run_id: String,
    /// One run a target that gave a result, in the order of play.
    pub runs: Vec<RunSummary>,
    /// Labels by metric: the best run's, with its statistic in [`Best`]; absent where fewer than two
    /// runs have a value.
    pub best: BTreeMap<String, Best>,
    /// Backends that gave no result.
    #[serde(default)]
    pub failed: Vec<FailedTarget>,
    /// Backends that are not here.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Doubts about the comparison itself; each run has its own.
    #[serde(default)]
    pub caveats: Vec<Caveat>,
}

/// The best run of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its label.
    pub label: String,
    /// The statistic that was compared: `p50`, or `value` for a scalar.
    pub statistic: Statistic,
}

/// A target without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTarget {
    /// Its label.
    pub label: String,
    /// What happened, one line.
    pub error: String,
    /// What to do.
    #[serde(default)]
    pub hint: String,
}
