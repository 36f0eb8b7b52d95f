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

/// What a server made of one prompt of the probe set, before the load.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProbeReply {
    /// Which prompt: `plain`, `digits`, …
    pub prompt: String,
    /// Prompt tokens by the server's own count, its template included; none where it told none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// The beginning of the greedy completion, on one line; none where none was asked for or came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// Why there is no answer; none where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

/// Names of the rows that others than the table itself speak of.
pub mod row {
    /// The command of the launch, or the address of a server that already ran.
    pub const LAUNCHED: &str = "launched";
    /// Precision of the weights.
    pub const PRECISION: &str = "precision";
    /// Prompt tokens of the same prompts.
    pub const PROMPT_TOKENS: &str = "prompt tokens";
    /// Mean tokens of an answer.
    pub const OUTPUT_LENGTH: &str = "output length";
    /// Prompt tokens from the prefix cache.
    pub const PREFIX_CACHE: &str = "prefix cache";
    /// Whether Nagle's algorithm is on.
    pub const NAGLE: &str = "Nagle's algorithm";
    /// Whether several requests are answered at the same time.
    pub const AT_ONCE: &str = "at the same time";
    /// Whole answers of those asked for.
    pub const COMPLETED: &str = "completed";
    /// What stands before the server.
    pub const GATEWAY: &str = "gateway";
    /// Whether it is a pretend engine.
    pub const SIMULATED: &str = "simulated";
    /// The GPUs: models and UUIDs.
    pub const GPU: &str = "GPU";
    /// How much power they may draw.
    pub const GPU_POWER_LIMIT: &str = "GPU power limit";
    /// Clock of their multiprocessors while they were busy.
    pub const GPU_CLOCK: &str = "GPU clock";
    /// Processes on them that are not the server's.
    pub const GPU_OTHERS: &str = "others on the GPU";
    /// How often they were slowed down.
    pub const GPU_THROTTLED: &str = "GPU slowed down";
    /// Memory of before that was not given back when the server was launched.
    pub const GPU_MEMORY_HELD: &str = "GPU memory held at launch";
    /// Whether the server's processes are on the GPUs that it was given, and on no others.
    pub const GPU_ASKED: &str = "on the GPUs asked for";
    /// Rows that are nearly always level, or always: a brief output names them where they are not.
    pub const SELDOM: [&str; 11] = [
        LAUNCHED,
        NAGLE,
        AT_ONCE,
        COMPLETED,
        GATEWAY,
        SIMULATED,
        GPU_POWER_LIMIT,
        GPU_OTHERS,
        GPU_THROTTLED,
        GPU_MEMORY_HELD,
        GPU_ASKED,
    ];
}
