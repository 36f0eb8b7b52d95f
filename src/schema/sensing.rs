//! What is sensed of the machine while a run goes, and how often.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often the machine is looked at; the server's own page has an interval of its own in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sensing {
    /// Seconds between two readings of the GPUs; 0: they are not read.
    pub gpu_interval_s: f64,
    /// Seconds between two readings of processes and machine; 0: they are not read.
    pub host_interval_s: f64,
}

impl Default for Sensing {
    /// The GPUs every 100 ms, as often as their own figures change; processes and machine every second.
    fn default() -> Self {
        Sensing { gpu_interval_s: 0.1, host_interval_s: 1.0 }
    }
}

impl Sensing {
    /// Nothing is sensed.
    pub const OFF: Sensing = Sensing { gpu_interval_s: 0.0, host_interval_s: 0.0 };
}
