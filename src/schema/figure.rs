//! The metrics, said once: CSV columns, JSON keys, table heads, chart axes and glossary all come from here.

use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// A latency.
    Lower,
    /// A throughput.
    Higher,
}

/// One value a run, or a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A [`super::summary::Distribution`].
    Distribution,
    /// One number.
    Scalar,
}

/// A metric's row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Key in files, with its unit at the end.
    pub name: &'static str,
    /// Short name in heads and axes.
    pub title: &'static str,
    /// `ms`, `tok/s`, …
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// One value or a distribution.
    pub shape: Shape,
    /// How it is computed, over the stamps of [`super::record::RequestRecord`]; the definitions are
    /// those of docs/metrics.md.
    pub formula: &'static str,
}

const fn latency(name: &'static str, title: &'static str, formula: &'static str) -> Metric {
    Metric { name, title, unit: "ms", better: Better::Lower, shape: Shape::Distribution, formula }
}

const fn rate(name: &'static str, title: &'static str, unit: &'static str, formula: &'static str) -> Metric {
    Metric { name, title, unit, better: Better::Higher, shape: Shape::Scalar, formula }
}

/// Time to first token.
pub const TTFT: &str = "ttft_ms";
/// End-to-end latency.
pub const E2E: &str = "e2e_ms";
/// Time per output token after the first.
pub const TPOT: &str = "tpot_ms";
/// Inter-token latency.
pub const ITL: &str = "itl_ms";
/// Gap between token-carrying events.
pub const CHUNK_GAP: &str = "chunk_gap_ms";
/// Normalised time per output token.
pub const NTPOT: &str = "ntpot_ms";
/// TTFT counted from the due time.
pub const TTFT_FROM_DUE: &str = "ttft_from_due_ms";
/// E2E counted from the due time.
pub const E2E_FROM_DUE: &str = "e2e_from_due_ms";
/// Output tokens per second.
pub const OUTPUT_TPS: &str = "output_tps";
/// Prompt and output tokens per second.
pub const TOTAL_TPS: &str = "total_tps";
/// Prompt tokens per second.
pub const PROMPT_TPS: &str = "prompt_tps";
/// Output tokens per second that one user sees.
pub const USER_TPS: &str = "user_tps";
/// Completed requests per second.
pub const RPS: &str = "rps";
/// Failed share of issued requests.
pub const ERROR_RATE: &str = "error_rate_pct";

/// Every metric, in the order of outputs.
pub const METRICS: &[Metric] = &[
    latency(TTFT, "TTFT", "first_token − sent"),
    latency(E2E, "E2E", "last_token − sent"),
    latency(
        TPOT,
        "TPOT",
        "(last_token − first_token) / (n − 1); n = tokens delivered up to last_token; none when n < 2",
    ),
    latency(
        ITL,
        "ITL",
        "the gap before a chunk of k tokens counts as k gaps of gap/k: one distribution over tokens",
    ),
    latency(CHUNK_GAP, "chunk gap", "gap between token-carrying chunks, as they arrived"),
    latency(NTPOT, "NTPOT", "E2E / n"),
    latency(TTFT_FROM_DUE, "TTFT from due", "first_token − due (open loop only)"),
    latency(E2E_FROM_DUE, "E2E from due", "last_token − due (open loop only)"),
    rate(OUTPUT_TPS, "output TPS", "tok/s", "output tokens of completed requests / window"),
    rate(TOTAL_TPS, "total TPS", "tok/s", "prompt and output tokens of completed requests / window"),
    rate(PROMPT_TPS, "prompt TPS", "tok/s", "prompt tokens of completed requests / window"),
    rate(USER_TPS, "TPS a user", "tok/s", "mean over requests of (n − 1) / (last_token − first_token)"),
    rate(RPS, "RPS", "1/s", "completed requests / window"),
    Metric {
        name: ERROR_RATE,
        title: "error rate",
        unit: "%",
        better: Better::Lower,
        shape: Shape::Scalar,
        formula: "failed / issued",
    },
];

/// The row of a metric.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
