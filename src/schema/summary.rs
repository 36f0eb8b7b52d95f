//! One run, condensed: counts, rates, a distribution a metric, and the doubts about it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caveat::Caveat;
pub use super::distribution::{Distribution, MetricValue};
use super::fairness::ProbeReply;
use super::flow::Flow;
use super::gateway::Gateway;
use super::gpu::GpuSummary;
use super::interval::Interval;
use super::machine::MachineSummary;
use super::objective::Judged;
use super::plan::RunKey;
use super::record::{FailureKind, StampKind, TokenSource};
pub use super::request_counts::RequestCounts;
use super::served::ServedSummary;
use super::slice::Slice;
use super::workers::WorkerStats;

/// Ids that [`RunSummary::prompt_tokens_by_id`] holds at most.
pub const PROMPT_IDS_KEPT: usize = 1_000;

/// One run of one target: what every report starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSummary {
    /// Which run of its plan.
    #[serde(flatten)]
    pub key: RunKey,
    /// The target's engine.
    pub engine: String,
    /// The engine's version, as found or as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// Model name.
    pub model: String,
    /// Weights' precision.
    pub precision: String,
    /// When the measured phase began.
    pub started_at: Timestamp,
    /// Set when the run did not reach its end: `interrupted`, `server died`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Measured requests.
    pub requests: RequestCounts,
    /// Warm-up requests.
    pub warmup: RequestCounts,
    /// Seconds from launch to readiness; none for a running server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<f64>,
    /// The whole run: first due or sent to last end, seconds.
    pub duration_s: f64,
    /// Ramp and drain cut off, where enough is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyState>,
    /// Offered and achieved rate of an open loop; none of a closed one, and of a run that is too short to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// Token totals of completed requests.
    pub tokens: TokenTotals,
    /// What stands between the client and the server, where a response header told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// [`MetricValue`]s by the names of [`super::figure::METRICS`]; a metric without any value is absent.
    pub metrics: BTreeMap<String, MetricValue>,
    /// Its parts, where it has several of a kind: by turn, model, endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<Slice>,
    /// Chunks by how many tokens they carried.
    #[serde(default)]
    pub tokens_per_chunk: BTreeMap<u32, u64>,
    /// Output tokens (as chunks carried them, whatever became of their request) that arrived in each second
    /// after the window's start (first due or sent request), the last second cut short.
    #[serde(default)]
    pub output_tokens_by_second: Vec<u64>,
    /// What moving blocks within the run say of a mean, by its column (`output_tps`, `ttft_ms_mean`, `e2e_ms_mean`):
    /// descriptive, and no interval of confidence, as another launch is no part of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bands: BTreeMap<String, Interval>,
    /// The client's own figures.
    pub client: ClientStats,
    /// What the server counted itself over the run, warm-up included; readiness too where no probe set was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerCounts>,
    /// Its GPUs; none where none was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuSummary>,
    /// The machine: the server's processes, ourselves, what else was busy; none where it was not sensed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineSummary>,
    /// What its own page says of the measured requests; none where it was not read, or says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Box<ServedSummary>>,
    /// What the server made of the probe set before the load; empty where none was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeReply>,
    /// Whether the server leaves Nagle's algorithm on; none where nothing told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nagle: Option<Nagle>,
    /// Mean prompt tokens of dataset entries, by their id, as the server counted them: of the first
    /// [`PROMPT_IDS_KEPT`] ids of completed requests in order of the alphabet. However many prompts there are,
    /// the map stays small, and runs of the same requests keep the same ids.
    #[serde(default)]
    pub prompt_tokens_by_id: BTreeMap<String, u32>,
    /// Whether prompts that were made have the length that was asked for; none where none was, or nobody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_lengths: Option<PromptLengths>,
    /// What each worker did, where several machines played it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerStats>,
    /// What the first failure of each kind said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_failures: BTreeMap<FailureKind, String>,
    /// What came of the plan's objectives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<Judged>,
    /// Doubts.
    #[serde(default)]
    pub caveats: Vec<Caveat>,
}

impl RunSummary {
    /// The objectives that it did not meet, those among them of which nobody can say it.
    pub fn missed(&self) -> impl Iterator<Item = &Judged> {
        self.objectives.iter().filter(|judged| !judged.met)
    }

    /// The server did not keep up with the offered rate: its latencies say how long the run was.
    pub fn is_saturated(&self) -> bool {
        self.caveats.iter().any(|caveat| matches!(caveat, Caveat::Saturated { .. }))
    }

    /// TPOT, ITL and TPS a user are withheld, for a stated reason.
    pub fn withholds_pace(&self) -> bool {
        self.caveats.iter().any(|caveat| matches!(caveat, Caveat::PaceWithheld { .. }))
    }
}

/// Whether the server leaves Nagle's algorithm on (no TCP_NODELAY), so that its kernel keeps a first token back until
/// the client has acknowledged the response head, which ordinary clients do up to 40 ms late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nagle {
    /// It does.
    pub on: bool,
    /// Warm-up and probe requests that told so.
    pub requests: u64,
}

/// Prompt tokens as the server counted them, held against the length that each text was made to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PromptLengths {
    /// Completed requests of which both are known.
    pub requests: u64,
    /// Those among them that are neither as long as asked nor `added` longer.
    pub off: u64,
    /// By so many tokens the worst of them is too long, or with a minus too short, `added` left out.
    pub largest: i64,
    /// Tokens that most prompts have more: a chat template's and a BOS.
    pub added: i64,
}

/// The part of the run between ramp and drain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SteadyState {
    /// From here, seconds after the window's start (first due or sent request).
    pub from_s: f64,
    /// To here.
    pub to_s: f64,
    /// Output tokens that arrived inside it, whosever they are, per second.
    pub output_tps: f64,
    /// Requests that completed inside it, per second.
    pub rps: f64,
}

/// Token totals of completed requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TokenTotals {
    /// Prompt tokens.
    pub prompt: u64,
    /// Output tokens.
    pub output: u64,
    /// Output tokens less EOS tokens that were counted but not shown.
    pub delivered: u64,
    /// Prompt tokens from the server's prefix cache.
    pub cached: u64,
    /// What was found of the end of sequence; none without an answer that the model ended and the server counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_sequence: Option<EndOfSequence>,
    /// Requests by where their output count comes from.
    pub sources: BTreeMap<TokenSource, u64>,
}

/// Whether the server counts an end of sequence that it does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndOfSequence {
    /// It does: one token fewer is delivered than counted.
    pub hidden: bool,
    /// What shows it.
    pub by: EndShownBy,
    /// Answers that the model ended and the server counted.
    pub answers: u64,
}

/// What shows whether an end of sequence is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndShownBy {
    /// The run: usage and events, held against each other.
    Run,
    /// They say neither, so that the engine's definition was taken at its word.
    Definition,
}

/// The client's own figures, of measured requests: what it added to the numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClientStats {
    /// Waiting for a slot under the cap, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_wait_ms: Option<Distribution>,
    /// The client's own lateness in an open loop, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_delay_ms: Option<Distribution>,
    /// Above this a send is late, and as the p99 it makes the client the limit: max(1 ms, 1 % of the median
    /// TTFT), ms.
    #[serde(default)]
    pub send_delay_limit_ms: f64,
    /// Requests of an open loop whose send delay is above the limit. From a million sends on to 0.1 % of it.
    #[serde(default)]
    pub late_sends: u64,
    /// Requests whose turn came and that were never sent.
    #[serde(default)]
    pub dropped_sends: u64,
    /// Reader lag, ms: one value a request with kernel stamps, that of its worst read. Its percentiles are
    /// therefore over requests, and above those over reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_lag_ms: Option<Distribution>,
    /// Time to open a connection, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<Distribution>,
    /// Share of token-carrying events that are merged ([`super::record::Chunk::is_merged`]: the stamp may be
    /// late by over 0.1 ms), 0 to 1.
    pub merged_events: f64,
    /// Requests that an answer came to, by the kind of their stamps: `read` if but one of them is no kernel's.
    #[serde(default)]
    pub stamps: BTreeMap<StampKind, u64>,
    /// Requests replayed, nearly always on a fresh connection.
    pub reconnects: u64,
    /// CPU seconds of the load threads, and of the pacer's, in the measured phase.
    pub cpu_s: f64,
    /// Those CPU seconds over wall seconds and load threads, 0 to 1.
    pub cpu_share: f64,
    /// Load threads; 0 where a crash left no word of them, nor of their CPU time.
    #[serde(default)]
    pub threads: u32,
    /// Achieved over planned request rate, open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achieved_rate: Option<f64>,
    /// Set when the client, and not the server, made the number; the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_limited: Option<String>,
}

impl ClientStats {
    /// Requests with stamps of one kind.
    pub fn stamped(&self, kind: StampKind) -> u64 {
        self.stamps.get(&kind).copied().unwrap_or(0)
    }

    /// Requests that an answer came to.
    pub fn answered(&self) -> u64 {
        self.stamps.values().sum()
    }

    /// CPU seconds of the load threads; none where a crash left no word of them.
    pub fn known_cpu_s(&self) -> Option<f64> {
        (self.threads > 0).then_some(self.cpu_s)
    }

    /// Their share of the threads' time, 0 to 1; none where a crash left no word of them.
    pub fn known_cpu_share(&self) -> Option<f64> {
        (self.threads > 0).then_some(self.cpu_share)
    }
}

/// What the server counted itself, as the difference of two scrapes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ServerCounts {
    /// Prompt tokens by the server's count.
    pub prompt_tokens: f64,
    /// Prompt tokens that the client was told of for the same requests.
    pub client_prompt_tokens: f64,
    /// Generated tokens by the server's count.
    pub generated_tokens: f64,
    /// Output tokens that the client was told of for the same requests.
    pub client_generated_tokens: f64,
    /// Prompt tokens from the prefix cache; none where the server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<f64>,
    /// Counters of its definition that its page does not have: what they count is not known, and 0 above.
    #[serde(default, skip_serializing_if = "MissingCounters::is_empty")]
    pub missing: MissingCounters,
}

/// Names of counters that a page does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MissingCounters {
    /// Of prompt tokens.
    #[serde(default)]
    pub prompt: Vec<String>,
    /// Of generated tokens.
    #[serde(default)]
    pub generated: Vec<String>,
    /// Of prompt tokens from the prefix cache, of which some engines show none before the first.
    #[serde(default)]
    pub cached: Vec<String>,
}

impl MissingCounters {
    /// Every counter is there.
    pub fn is_empty(&self) -> bool {
        self.prompt.is_empty() && self.generated.is_empty() && self.cached.is_empty()
    }
}
