//! Two ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A 95 % interval, or what stands for one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Low end.
    pub low: f64,
    /// High end.
    pub high: f64,
}
