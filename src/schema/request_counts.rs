//! Requests by what became of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::FailureKind;

/// Counts; `issued = completed + failed + cancelled + dropped`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RequestCounts {
    /// Requests whose turn came.
    pub issued: u64,
    /// Whole answers.
    pub completed: u64,
    /// Failures.
    pub failed: u64,
    /// In flight at the end.
    pub cancelled: u64,
    /// Never sent.
    pub dropped: u64,
    /// Failures by kind.
    #[serde(default)]
    pub failures: BTreeMap<FailureKind, u64>,
}

impl RequestCounts {
    /// Failed share of issued requests, %; none without any request.
    pub fn error_rate_pct(&self) -> Option<f64> {
        (self.issued > 0).then(|| 100.0 * self.failed as f64 / self.issued as f64)
    }
}
