//! What a report is made of, where that is not the usual.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How `harness report` makes figures otherwise than a run does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReportSettings {
    /// The label that the others are held against; none: the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Which part of each run counts.
    #[serde(default)]
    pub window: WindowOf,
    /// What TTFT is.
    #[serde(default)]
    pub ttft: TtftOf,
}

/// Which part of a run counts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowOf {
    /// All of it: the usual.
    #[default]
    Whole,
    /// Its steady state, where it has one.
    Steady,
    /// A time of it, seconds after its start (first due or sent request).
    Between {
        /// From here.
        from_s: f64,
        /// To here; none: to the run's end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_s: Option<f64>,
    },
}

/// What TTFT is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TtftOf {
    /// first_token − sent: the usual.
    #[default]
    FirstToken,
    /// first_event − sent: the first event of any kind, as clients that do not look into events have it.
    FirstEvent,
    /// first_answer_token − sent: reasoning left out.
    FirstAnswerToken,
    /// first_token − due.
    FromDue,
}

impl TtftOf {
    /// The formula, over the stamps of a request.
    pub fn formula(self) -> &'static str {
        match self {
            TtftOf::FirstToken => "first_token − sent",
            TtftOf::FirstEvent => "first_event − sent",
            TtftOf::FirstAnswerToken => "first_answer_token − sent",
            TtftOf::FromDue => "first_token − due",
        }
    }
}

/// `the steady state`, `10 s to 60 s`.
impl std::fmt::Display for WindowOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WindowOf::Whole => f.write_str("the whole run"),
            WindowOf::Steady => f.write_str("the steady state"),
            WindowOf::Between { from_s, to_s: Some(to_s) } => write!(f, "{from_s} s to {to_s} s"),
            WindowOf::Between { from_s, to_s: None } => write!(f, "{from_s} s to the end"),
        }
    }
}
