//! When a run's phases began and ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The phases of a run, seconds from the run's start: warm-up from 0 to the measured window, that until no more requests
/// were issued, then the drain.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Phases {
    /// From where to where the server was launched, below 0; none where nothing was sensed of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<(f64, f64)>,
    /// The measured window begins.
    pub measured_from_s: f64,
    /// No more requests are issued: the drain begins.
    pub issue_end_s: f64,
    /// The last record's end.
    pub measured_to_s: f64,
}

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The server is launched and loads its model.
    Launch,
    /// Requests that are not measured.
    WarmUp,
    /// Requests that are measured are sent.
    Measured,
    /// The last of them end.
    Drain,
}

impl Phase {
    /// As a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            Phase::Launch => "launch",
            Phase::WarmUp => "warm-up",
            Phase::Measured => "measured",
            Phase::Drain => "drain",
        }
    }
}

impl Phases {
    /// Each phase that lasted, from where to where.
    pub fn spans(&self) -> Vec<(Phase, f64, f64)> {
        let launch = self.launch.map(|(from, to)| (Phase::Launch, from, to));
        let others = [
            (Phase::WarmUp, 0.0, self.measured_from_s),
            (Phase::Measured, self.measured_from_s, self.issue_end_s),
            (Phase::Drain, self.issue_end_s, self.measured_to_s),
        ];
        launch.into_iter().chain(others).filter(|(_, from, to)| to > from).collect()
    }
}
