//! When requests start.

use serde::{Deserialize, Serialize};

/// When requests start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "pattern", rename_all = "snake_case")]
pub enum Traffic {
    /// Each request starts when a slot is free.
    Closed,
    /// Exponential gaps.
    Poisson {
        /// Requests per second.
        rate: f64,
    },
    /// Equal gaps.
    Constant {
        /// Requests per second.
        rate: f64,
    },
}

impl Traffic {
    /// Requests per second of an open loop.
    pub fn rate(self) -> Option<f64> {
        match self {
            Traffic::Closed => None,
            Traffic::Poisson { rate } | Traffic::Constant { rate } => Some(rate),
        }
    }
}

/// Sent before the window opens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// So many requests; 0 sends none.
    Requests(u64),
    /// For so many seconds.
    DurationS(f64),
}
