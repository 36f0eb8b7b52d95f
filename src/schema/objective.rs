//! What a user wants of a server: objectives of latency, and the highest load that meets them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::Statistic;
use super::run_key::RunKey;
use super::traffic::Until;

/// `ttft_p99=500ms`: a statistic of a metric has a limit. A request meets it where its own value is within the limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Objective {
    /// The metric, one of [`super::figure::METRICS`]: `ttft_ms`.
    pub metric: String,
    /// Which statistic of a run must be within the limit.
    pub statistic: Statistic,
    /// In the metric's unit; the statistic may be as large.
    pub limit: f64,
}

impl Objective {
    /// Its name in files and in words that are typed: `ttft_p99`; `errors` for the error rate.
    pub fn name(&self) -> String {
        if self.is_of_run() {
            return ERRORS.to_owned();
        }
        format!("{}_{}", self.metric.strip_suffix("_ms").unwrap_or(&self.metric), self.statistic.name())
    }

    /// No single request has it: it is of the run alone.
    pub fn is_of_run(&self) -> bool {
        self.statistic == Statistic::Value
    }
}

/// The objective of an error rate, as it is typed.
pub const ERRORS: &str = "errors";
/// Failed requests that a run may have where objectives are given and none of them says, % of issued ones.
pub const DEFAULT_ERRORS_PCT: f64 = 1.0;

/// What came of an objective in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The objective.
    #[serde(flatten)]
    pub objective: Objective,
    /// The run's statistic; none where the run has it not, so that nobody can say that the objective was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The statistic is within the limit.
    pub met: bool,
    /// Values above the limit: requests, or of ITL and chunk gap gaps; none of an objective of the run alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<u64>,
    /// Values in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// Loads that follow from the runs before. The plan's first load is the first guess, or the burst that gives one; each
/// further one is appended to the plan, and its seed is the plan's plus its point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Search {
    /// What is raised.
    pub of: LimitOf,
    /// What is looked for.
    #[serde(flatten)]
    pub strategy: Strategy,
}

/// What a search looks for. A file tells them apart by their fields.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Strategy {
    /// The highest load that meets the objectives.
    Limit {
        /// Half the width of the interval that is wanted, as a share of the value.
        precision: f64,
        /// Requests of the shortest run.
        shortest: u64,
        /// Runs of a target at most.
        most_runs: u32,
    },
    /// The curve of throughput and latency around the load at which throughput stops to grow.
    Curve {
        /// Loads of a target at most.
        points: u32,
        /// When a run ends; none: after as long as ten answers take, and no sooner than after 100 requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Until>,
    },
}

impl Search {
    /// Runs of a target at most; the burst that gives the first rate of a curve is one.
    pub fn most_runs(&self) -> u32 {
        match (self.strategy, self.of) {
            (Strategy::Limit { most_runs, .. }, _) => most_runs,
            (Strategy::Curve { points, .. }, LimitOf::Rate) => points + 1,
            (Strategy::Curve { points, .. }, LimitOf::Concurrency) => points,
        }
    }
}

/// Where the curve of one target bends: up to where it keeps up with the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Knee {
    /// The target's label.
    pub label: String,
    /// What was raised.
    pub of: LimitOf,
    /// The highest load that it keeps up with: no queue grows (requests a second), or throughput still grew (requests
    /// in flight); none where it kept up with none.
    pub carries: Option<f64>,
    /// The lowest load above that which is too much; none where none was found.
    pub beyond: Option<f64>,
    /// The most requests a second that it completed.
    pub most_rps: Option<f64>,
    /// Runs of the curve.
    pub runs: u32,
    /// Requests of these runs.
    pub requests: u64,
}

/// The highest load of one target that meets all objectives, with what is not known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// The target's label.
    pub label: String,
    /// What was searched for.
    pub of: LimitOf,
    /// The highest load: requests per second, or requests in flight; none where even the lowest load missed.
    pub value: Option<f64>,
    /// Low end of the 95 % interval.
    pub low: Option<f64>,
    /// High end of the 95 % interval; none where the highest load that was tried still met them.
    pub high: Option<f64>,
    /// Runs that were played to find it.
    pub runs: Vec<RunKey>,
    /// Requests of these runs.
    pub requests: u64,
    /// Why the search ended, where it did not reach its precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

/// What a search raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitOf {
    /// Requests per second of an open loop.
    Rate,
    /// Requests in flight of a closed loop.
    Concurrency,
}
