//! Whether servers were given the same work under the same settings: the levelling table.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done where servers are not level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FairnessMode {
    /// A pair that is not level gets no ratio, and the exit code is 1.
    Strict,
    /// A pair that is not level gets no ratio.
    #[default]
    Warn,
    /// No probe, and a ratio whatever the table says.
    Off,
}

/// The levelling table of a comparison.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Fairness {
    /// Its rows, in the order of reports.
    pub rows: Vec<FairnessRow>,
}

/// One thing that should be the same for every server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FairnessRow {
    /// What: `context`, `prompt tokens`, `prefix cache hits`.
    pub what: String,
    /// What each label has, in words.
    pub by_label: BTreeMap<String, String>,
    /// What follows from it.
    pub finding: Finding,
    /// Why, in one sentence; empty where it is level.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What a row of the levelling table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The same for all, or nothing that has to be.
    Level,
    /// It could not be told.
    Unknown,
    /// It differs and may move the figures: a caveat.
    Differs,
    /// It differs so that no ratio may be given.
    NotComparable,
}
