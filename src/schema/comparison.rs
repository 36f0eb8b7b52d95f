//! Runs side by side.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caveat::Caveat;
use super::fairness::Fairness;
use super::figure::Statistic;
use super::objective::{Knee, Limit};
use super::plan::{LoadPoint, RunKey, Skipped};
use super::summary::RunSummary;
use super::verdict::{Interval, Pair, VerdictRule};

/// Runs of the same loads on several targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The plan's run id.
    pub run_id: String,
    /// The plan's loads: point 1 is the first.
    #[serde(default)]
    pub loads: Vec<LoadPoint>,
    /// Every run that gave a result, in the order of play.
    pub runs: Vec<RunSummary>,
    /// The runs by point and label: points in their order, and labels in the plan's.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Backends that gave no result.
    #[serde(default)]
    pub failed: Vec<FailedTarget>,
    /// Backends that are not here.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// The label that the others are held against; none where there is nothing to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Every other label against the baseline, at each load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
    /// How the verdicts were reached; none where no pair has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<VerdictRule>,
    /// What was levelled between the servers, and what was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness: Option<Fairness>,
    /// The highest load of each target that meets the objectives, where that was searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Where the curve of each target bends, where that was searched for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knees: Vec<Knee>,
    /// Doubts about the comparison itself; each run has its own.
    #[serde(default)]
    pub caveats: Vec<Caveat>,
}

/// The runs of one target at one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The target's label.
    pub label: String,
    /// Which load of the plan, from 1.
    pub point: u32,
    /// Its runs.
    pub runs: Vec<RunKey>,
    /// What the estimates are over.
    pub over: Over,
    /// By metric and statistic, named as the columns of the CSV files: `ttft_ms_p99`, `output_tps`.
    pub estimates: BTreeMap<String, Estimate>,
    /// Metrics in which the group is the best of its point, with the statistic that was compared: `p50`, or
    /// `value` for one number.
    #[serde(default)]
    pub best: BTreeMap<String, Statistic>,
}

/// What the estimates of a group are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// One run: its value.
    Run,
    /// The runs of one launch.
    Repeats,
    /// Rounds, each a launch of its own; a round's value is the median of its repeats.
    Rounds,
}

/// A figure of a group. Low and high are no interval of confidence: they are what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Median.
    pub value: f64,
    /// Lowest.
    pub low: f64,
    /// Highest.
    pub high: f64,
    /// Values that it is over.
    pub n: u32,
    /// 95 % interval over rounds, by Student's t, of positive figures on their logarithms; none below three rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

impl Estimate {
    /// What is not known of it: its interval, or where there is none, all that was seen.
    pub fn reach(&self) -> (f64, f64) {
        self.interval.map_or((self.low, self.high), |interval| (interval.low, interval.high))
    }
}

impl Comparison {
    /// The groups of a point, in the order of the plan's targets.
    pub fn at(&self, point: u32) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| group.point == point)
    }

    /// The runs of a group, in the order of play.
    pub fn runs_of<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a RunSummary> {
        self.runs.iter().filter(|run| group.runs.contains(&run.key))
    }
}

/// A target without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedTarget {
    /// Its label.
    pub label: String,
    /// The round in which it failed, from 1.
    #[serde(default = "super::plan::one")]
    pub round: u32,
    /// What happened, one line.
    pub error: String,
    /// What to do.
    #[serde(default)]
    pub hint: String,
}
