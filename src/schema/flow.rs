//! What comes to a server and what leaves it: whether it keeps up with the offered load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Offered and achieved rate of an open loop, over the same requests, those at both ends of the run left out: how fast
/// they were due, and how fast as many ended. docs/metrics.md has the rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Requests a second that were due.
    pub offered_rps: f64,
    /// Requests a second that ended, completed or failed.
    pub achieved_rps: f64,
    /// Due less ended, a second, while requests were due: how fast the queue grew; below 0 it shrank.
    pub growth_rps: f64,
    /// Half of the 95 % interval of the growth.
    pub growth_error_rps: f64,
    /// The queue grew by more than chance, so that the server does not keep up.
    pub saturated: bool,
}
