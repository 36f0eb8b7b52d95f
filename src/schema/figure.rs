//! The metrics, said once, each with its function: values, CSV columns, JSON keys, table heads, chart axes and
//! glossary all come from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::distribution::{Distribution, Statistic};
use super::record::RequestRecord;
use super::request_figures::{Figured, milliseconds};
use super::summary::RequestCounts;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A [`Distribution`].
    Distribution,
    /// One number.
    Scalar,
}

/// How a metric comes from its run. Those over requests take the completed ones that were measured.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// A distribution of at most one value a request.
    EachRequest(fn(&Figured<'_>) -> Option<f64>),
    /// A distribution of several steps a request: times in µs, each given with the steps of one length that share it. Where
    /// each event of a request carries one token, and none came with another, its steps are the gaps between its events.
    EachEvent(fn(&RequestRecord, &mut dyn FnMut(u64, u32))),
    /// The mean of at most one value a request.
    MeanOfRequests(fn(&Figured<'_>) -> Option<f64>),
    /// One number of the whole run.
    Run(fn(&RunTotals) -> Option<f64>),
}

/// What the metrics of a whole run are made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunTotals {
    /// Measured requests.
    pub requests: RequestCounts,
    /// Prompt tokens of completed requests; none where one of them has no count: the sum would be too low.
    pub prompt_tokens: Option<u64>,
    /// Output tokens of completed requests; none where one of them has no count.
    pub output_tokens: Option<u64>,
    /// The window, from the first due or sent request to the last end, seconds.
    pub window_s: f64,
    /// Completed requests that met every objective; none without objectives, and where it cannot be told.
    pub good: Option<u64>,
    /// What the machine costs an hour, in the user's currency.
    pub price_per_hour: Option<f64>,
    /// Energy of all its GPUs over the window, J; none where it is not known of one of them.
    pub energy_j: Option<f64>,
}

impl RunTotals {
    /// An amount over the window; none of a window without length.
    fn per_second(&self, amount: u64) -> Option<f64> {
        (self.window_s > 0.0).then(|| amount as f64 / self.window_s)
    }

    /// Energy of the window a token; none of no token.
    fn energy_per(&self, tokens: u64) -> Option<f64> {
        (tokens > 0).then(|| self.energy_j.map(|energy| energy / tokens as f64)).flatten()
    }

    /// What a million of so many tokens of the window cost; none of no token.
    fn cost_per_million(&self, tokens: u64) -> Option<f64> {
        let cost = self.price_per_hour? * self.window_s / 3600.0;
        (tokens > 0 && self.window_s > 0.0).then(|| cost * 1e6 / tokens as f64)
    }
}

/// A metric: its row in every output, and the function that it is.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Key in files, with its unit at the end.
    pub name: &'static str,
    /// Short name in heads and axes.
    pub title: &'static str,
    /// `ms`, `tok/s`, …
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// `of` in words, over the stamps of [`RequestRecord`], as docs/metrics.md has it.
    pub formula: &'static str,
    /// How it is computed.
    pub of: Of,
}

impl Metric {
    /// One value or a distribution.
    pub fn shape(&self) -> Shape {
        match self.of {
            Of::EachRequest(_) | Of::EachEvent(_) => Shape::Distribution,
            Of::MeanOfRequests(_) | Of::Run(_) => Shape::Scalar,
        }
    }

    /// The statistics of its value, in the order of CSV columns.
    pub fn statistics(&self) -> &'static [Statistic] {
        match self.shape() {
            Shape::Distribution => &Statistic::OF_DISTRIBUTION,
            Shape::Scalar => &[Statistic::Value],
        }
    }

    /// It divides time by the tokens of that time: withheld where a run's tokens are not known to have come in it.
    pub fn is_pace(&self) -> bool {
        PACES.contains(&self.name)
    }

    /// A queue at the server is part of it: it grows for as long as the queue does.
    pub fn holds_queue(&self) -> bool {
        [TTFT, E2E, NTPOT, TTFT_FROM_DUE, E2E_FROM_DUE].contains(&self.name)
    }

    /// Its CSV column for a statistic: `ttft_ms_p99`, or the bare name for one number.
    pub fn column(&self, statistic: Statistic) -> String {
        match self.shape() {
            Shape::Distribution => format!("{}_{}", self.name, statistic.name()),
            Shape::Scalar => self.name.to_owned(),
        }
    }
}

const fn latency(name: &'static str, title: &'static str, formula: &'static str, of: Of) -> Metric {
    Metric { name, title, unit: "ms", better: Better::Lower, formula, of }
}

const fn rate(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    formula: &'static str,
    of: Of,
) -> Metric {
    Metric { name, title, unit, better: Better::Higher, formula, of }
}

/// In the currency of the price.
const fn cost(name: &'static str, title: &'static str, formula: &'static str, of: Of) -> Metric {
    Metric { name, title, unit: "a million tokens", better: Better::Lower, formula, of }
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

/// Requests a second that met every objective.
pub const GOODPUT_RPS: &str = "goodput_rps";
/// Share of the issued requests that met every objective.
pub const GOODPUT_PCT: &str = "goodput_pct";
/// Cost of a million output tokens.
pub const OUTPUT_COST: &str = "cost_per_million_output_tokens";
/// Cost of a million prompt and output tokens.
pub const TOTAL_COST: &str = "cost_per_million_total_tokens";

/// A request's time in the server's queue, as the server told it.
pub const SERVER_QUEUE: &str = "server_queue_ms";
/// From the end of the server's queue to its first token, as the server told it.
pub const SERVER_PREFILL: &str = "server_prefill_ms";
/// From the server's first token to its last, as the server told it.
pub const SERVER_DECODE: &str = "server_decode_ms";
/// Energy of the GPUs an output token.
pub const ENERGY_PER_TOKEN: &str = "energy_per_token_j";

/// What divides time by the tokens of that time.
pub const PACES: [&str; 3] = [TPOT, ITL, USER_TPS];

/// Every metric, in the order of outputs. A new one is a row here and its line in docs/metrics.md.
pub const METRICS: &[Metric] = &[
    latency(TTFT, "TTFT", "first_token − sent", Of::EachRequest(|request| request.record.ttft_ms())),
    latency(E2E, "E2E", "last_token − sent", Of::EachRequest(|request| request.record.e2e_ms())),
    latency(
        TPOT,
        "TPOT",
        "(last_token − first_token) / (n − k); n = tokens delivered up to last_token, k = those at first_token, \
         as a rule 1; none when n < 2 or all came at one time",
        Of::EachRequest(|request| request.pace.tpot_ms()),
    ),
    latency(
        ITL,
        "ITL",
        "the gap before a chunk of k tokens counts as k gaps of gap/k: one distribution over tokens; events of one \
         moment are one chunk",
        Of::EachEvent(RequestRecord::inter_token),
    ),
    latency(
        CHUNK_GAP,
        "chunk gap",
        "gap between token-carrying chunks, as they arrived",
        Of::EachEvent(RequestRecord::chunk_gaps),
    ),
    latency(NTPOT, "NTPOT", "E2E / n", Of::EachRequest(|request| request.ntpot_ms())),
    latency(
        TTFT_FROM_DUE,
        "TTFT from due",
        "first_token − due (open loop only)",
        Of::EachRequest(|request| request.record.ttft_from_due_ms()),
    ),
    latency(
        E2E_FROM_DUE,
        "E2E from due",
        "last_token − due (open loop only)",
        Of::EachRequest(|request| request.record.e2e_from_due_ms()),
    ),
    rate(
        OUTPUT_TPS,
        "output TPS",
        "tok/s",
        "output tokens of completed requests / window",
        Of::Run(|run| run.per_second(run.output_tokens?)),
    ),
    rate(
        TOTAL_TPS,
        "total TPS",
        "tok/s",
        "prompt and output tokens of completed requests / window",
        Of::Run(|run| run.per_second(run.prompt_tokens? + run.output_tokens?)),
    ),
    rate(
        PROMPT_TPS,
        "prompt TPS",
        "tok/s",
        "prompt tokens of completed requests / window",
        Of::Run(|run| run.per_second(run.prompt_tokens?)),
    ),
    rate(
        USER_TPS,
        "TPS a user",
        "tok/s",
        "mean over requests of (n − k) / (last_token − first_token)",
        Of::MeanOfRequests(|request| request.user_tps()),
    ),
    rate(
        RPS,
        "RPS",
        "1/s",
        "completed requests / window",
        Of::Run(|run| run.per_second(run.requests.completed)),
    ),
    Metric {
        name: ERROR_RATE,
        title: "error rate",
        unit: "%",
        better: Better::Lower,
        formula: "failed / issued",
        of: Of::Run(|run| run.requests.error_rate_pct()),
    },
    rate(
        GOODPUT_RPS,
        "goodput",
        "1/s",
        "completed requests that met every objective / window",
        Of::Run(|run| run.per_second(run.good?)),
    ),
    rate(
        GOODPUT_PCT,
        "goodput share",
        "%",
        "completed requests that met every objective / issued, failed ones among these",
        Of::Run(|run| {
            (run.requests.issued > 0).then_some(100.0 * run.good? as f64 / run.requests.issued as f64)
        }),
    ),
    cost(
        OUTPUT_COST,
        "cost of output",
        "price of the window / output tokens of completed requests × 1,000,000",
        Of::Run(|run| run.cost_per_million(run.output_tokens?)),
    ),
    cost(
        TOTAL_COST,
        "cost of all tokens",
        "price of the window / prompt and output tokens of completed requests × 1,000,000",
        Of::Run(|run| run.cost_per_million(run.prompt_tokens? + run.output_tokens?)),
    ),
    latency(
        SERVER_QUEUE,
        "server's queue",
        "the server's own word, sent with the answer: its time in the queue",
        Of::EachRequest(|request| told_ms(request.record.server_times.as_ref()?.queue_us)),
    ),
    latency(
        SERVER_PREFILL,
        "server's prefill",
        "the server's own word, sent with the answer: from the end of its queue to the first token",
        Of::EachRequest(|request| told_ms(request.record.server_times.as_ref()?.prefill_us)),
    ),
    latency(
        SERVER_DECODE,
        "server's decode",
        "the server's own word, sent with the answer: from its first token to its last",
        Of::EachRequest(|request| told_ms(request.record.server_times.as_ref()?.decode_us)),
    ),
    Metric {
        name: ENERGY_PER_TOKEN,
        title: "energy a token",
        unit: "J",
        better: Better::Lower,
        formula: "energy of all GPUs over the window / output tokens of completed requests",
        of: Of::Run(|run| run.energy_per(run.output_tokens?)),
    },
];

fn told_ms(us: Option<u64>) -> Option<f64> {
    us.map(milliseconds)
}

/// The row of a metric.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
