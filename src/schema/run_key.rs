//! What names one run of a plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What names one run of a plan, in every file, row and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RunKey {
    /// The target's label.
    pub label: String,
    /// Which load of the plan, from 1.
    #[serde(default = "one")]
    pub point: u32,
    /// Which round over all targets, from 1: a launch of its own.
    #[serde(default = "one")]
    pub round: u32,
    /// Which run of the point within the launch, from 1.
    #[serde(default = "one")]
    pub repeat: u32,
}

impl RunKey {
    /// The only run of a target: `label`, point 1, round 1, repeat 1.
    pub fn first(label: &str) -> Self {
        RunKey { label: label.to_owned(), point: 1, round: 1, repeat: 1 }
    }
}

/// What a file of before there were keys leaves out: it holds the only run of its target.
pub(super) fn one() -> u32 {
    1
}
