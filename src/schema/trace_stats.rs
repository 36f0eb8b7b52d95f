//! What is in a trace or in a file of prompts, counted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trace::{Ticks, TraceFormat};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "holds", rename_all = "snake_case")]
pub enum DatasetStats {
    /// Requests with their times.
    Trace(TraceStats),
    /// Prompts.
    Prompts(PromptStats),
}

/// What is in a trace. Rows that failed count in all but where it is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceStats {
    /// The file.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Its format.
    pub format: TraceFormat,
    /// Requests.
    pub rows: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Rows that cannot be read.
    pub bad: u64,
    /// Prompt tokens.
    pub input: Lengths,
    /// Answer tokens.
    pub output: Lengths,
    /// Prompt tokens of rows that were answered.
    pub answered_input: Lengths,
    /// Answer tokens of rows that were answered.
    pub answered_output: Lengths,
    /// Seconds from the first arrival to the last.
    pub span_s: f64,
    /// Requests per second over the span; none where it is 0.
    pub rate_per_s: Option<f64>,
    /// How arrivals cluster, in windows of 1, 10 and 60 s, whole ones only.
    pub dispersion: Vec<Dispersion>,
    /// Arrivals at an instant already taken.
    pub ties: u64,
    /// Instants at which something came.
    pub instants: u64,
    /// The greatest common step of all times, s; 0 where there is one instant.
    pub resolution_s: f64,
    /// The tick of the log's clock, where requests sit on it.
    pub ticks: Option<Ticks>,
    /// The most requests one after the other with equal gaps, where they are more than chance makes.
    pub even: Option<EvenRun>,
    /// Rows that are earlier than the one before.
    pub steps_back: u64,
    /// The first of them, from 0.
    pub first_step_back: Option<u64>,
    /// Sessions; 0 where the file knows of none.
    pub sessions: u64,
    /// Hash blocks of prompts, where it has some.
    pub blocks: Option<BlockStats>,
    /// What all that means, a sentence each.
    pub verdicts: Vec<String>,
}

/// How long things are: tokens, characters or words.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Lengths {
    /// How many.
    pub count: u64,
    /// Sum.
    pub total: u64,
    /// Sum over number.
    pub mean: f64,
    /// Shortest.
    pub min: u64,
    /// Half are no longer.
    pub p50: u64,
    /// 90 % are no longer.
    pub p90: u64,
    /// 99 % are no longer.
    pub p99: u64,
    /// Longest.
    pub max: u64,
}

impl Lengths {
    /// Of lengths in any order. Percentiles are nearest ranks.
    pub fn of(mut lengths: Vec<u64>) -> Lengths {
        lengths.sort_unstable();
        let Some((min, max)) = lengths.first().copied().zip(lengths.last().copied()) else {
            return Lengths::default();
        };
        let count = lengths.len() as u64;
        let total: u64 = lengths.iter().sum();
        let rank = |percent: u64| {
            let place = (count * percent).div_ceil(100).max(1) - 1;
            lengths.get(place as usize).copied().unwrap_or(max)
        };
        let mean = total as f64 / count as f64;
        Lengths { count, total, mean, min, p50: rank(50), p90: rank(90), p99: rank(99), max }
    }
}

/// The index of dispersion of arrivals: variance over mean of the counts in windows of one length. 1: independent
/// users (Poisson); above: they cluster; below: they are more regular.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dispersion {
    /// Length of a window, s.
    pub window_s: f64,
    /// Windows, empty ones too.
    pub windows: u64,
    /// The index; none where nothing was counted.
    pub index: Option<f64>,
    /// The most arrivals in a window.
    pub most: u64,
    /// Windows without an arrival.
    pub empty: u64,
}

/// Requests one after the other with equal gaps between them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvenRun {
    /// The gap, s.
    pub gap_s: f64,
    /// Requests.
    pub rows: u64,
}

/// Parts of prompts that rows share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockStats {
    /// Tokens of a whole block; none where parts are of any length.
    pub tokens: Option<u32>,
    /// Blocks of all rows.
    pub blocks: u64,
    /// Different ones.
    pub distinct: u64,
    /// Blocks that a cache without a limit would have had, of whole prefixes alone.
    pub hit: u64,
}

/// What is in a file of prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptStats {
    /// The file.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Prompts.
    pub prompts: u64,
    /// Their turns: one each, and those that follow in conversations.
    pub turns: u64,
    /// Prompts whose text stands in the file before.
    pub duplicates: u64,
    /// Prompts that hold more than text.
    pub not_text: u64,
    /// Prompts by category; those without one under an empty name.
    pub categories: BTreeMap<String, u64>,
    /// Characters of a prompt.
    pub characters: Lengths,
    /// Words of a prompt.
    pub words: Lengths,
    /// Tokens of a prompt, where a tokenizer was given.
    pub tokens: Option<Lengths>,
    /// Output limits, of prompts that have one.
    pub max_tokens: Lengths,
    /// Columns that say nothing to us.
    pub passed_over: Vec<String>,
}
