//! What was observed of one request: raw stamps and counts, and never a derived number.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::chunks::{Chunk, Chunks};
use super::gateway::Gateway;
use super::server_times::ServerTimes;
use super::unit::Phase;

/// One request as it was played. All stamps are µs from the run's start on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestRecord {
    /// Position in the run: 0 is the first request issued. Warm-up requests count apart from measured ones.
    /// Where every unit has one turn, it is the unit's number.
    pub index: u64,
    /// Which unit it belongs to, from 0.
    #[serde(default)]
    pub unit: u64,
    /// Which turn of its unit it is, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub turn: u32,
    /// Of a further turn: tokens of the prompt and the answer before it, as the server counted them. Its own prompt
    /// repeats them, and says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_tokens: Option<u32>,
    /// The `id` of the dataset entry that was sent.
    #[serde(with = "shared_text")]
    #[schemars(with = "String")]
    pub prompt_id: Arc<str>,
    /// The entry's kind of text; empty where that is not known.
    #[serde(default, with = "shared_text", skip_serializing_if = "str::is_empty")]
    #[schemars(with = "String")]
    pub category: Arc<str>,
    /// Warm-up or measured.
    pub phase: Phase,
    /// Planned time; absent in a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_us: Option<u64>,
    /// When the request could have been sent had there been a slot: its due time, or in a closed
    /// loop the moment that its slot became free.
    pub ready_us: u64,
    /// When a slot under the concurrency cap and an open connection were at hand: the end of the answer
    /// that held the slot, plus the time to connect, and not when the client came to notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_us: Option<u64>,
    /// Just before the first byte of the request was written to a connection that was already open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_us: Option<u64>,
    /// Response head read. Not comparable between engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_us: Option<u64>,
    /// First SSE event of any kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_event_us: Option<u64>,
    /// First event that carries generated text, reasoning or a tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_us: Option<u64>,
    /// First event that carries answer text (not reasoning).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer_us: Option<u64>,
    /// Each token-carrying event: arrival, tokens, and whether its stamp is merged.
    #[serde(default, skip_serializing_if = "Chunks::is_empty")]
    #[schemars(with = "Vec<super::chunks::CodedChunk>")]
    pub chunks: Chunks,
    /// Last token-carrying event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token_us: Option<u64>,
    /// The answer ended (its `[DONE]`, else the end of the body), or the request was given up.
    pub end_us: u64,
    /// Time to open the connection that carried it, where it had to be opened for this request;
    /// never inside TTFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// Of a warm-up or probe request whose response head was acknowledged late, on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_ack: Option<Box<LateAck>>,
    /// Worst reader lag seen in this request: return of the read minus the kernel's stamp, µs.
    #[serde(default)]
    pub reader_lag_max_us: u32,
    /// Where the arrival stamps come from.
    pub stamps: StampKind,
    /// Replayed once because a kept-alive connection had been closed before any response byte, or because
    /// the server had not looked at it by its own word (HTTP/2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Token counts and where they come from.
    pub tokens: TokenCounts,
    /// Output limit as sent, whatever its field is called; 0: none was sent.
    pub max_tokens: u32,
    /// The server was told to ignore the end-of-sequence token, so `max_tokens` tokens are due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced_length: bool,
    /// HTTP status, where a response head came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The server's own word: `stop`, `length`, `eos_token`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// What stands between client and server, where a response header tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Which sign of its end a complete answer lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_sign: Option<MissingSign>,
    /// Events that say nothing to a stop-watch and were passed over, wholly or in part: without data, of another name,
    /// with a count that is none.
    #[serde(default, skip_serializing_if = "is_none_passed_over")]
    pub passed_over: u32,
    /// Its times by the server's own clock, where that sent them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_times: Option<Box<ServerTimes>>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

fn is_first(turn: &u32) -> bool {
    *turn == 0
}

fn is_none_passed_over(events: &u32) -> bool {
    *events == 0
}

/// A sign of its end that a complete answer lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingSign {
    /// `[DONE]`: a finish reason and the proper end of the body stand for it.
    DoneMarker,
    /// The finish reason: usage and `[DONE]` stand for it.
    FinishReason,
}

/// A text that many records share in memory, and each holds in a file.
mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

/// What came of putting off the acknowledgement of a response's first bytes, µs. A server that leaves Nagle's
/// algorithm on sends nothing more until it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LateAck {
    /// Arrival of the first bytes.
    pub begun_us: u64,
    /// When it was sent; none where more had come before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_us: Option<u64>,
    /// Arrival of the bytes that came next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_us: Option<u64>,
}

/// Where arrival stamps come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StampKind {
    /// The kernel's receive time (SO_TIMESTAMPNS), converted to the monotonic clock.
    Kernel,
    /// The return of the read, before anything was parsed.
    Read,
}

/// How a request ended. A failed request is data, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The whole answer came.
    Completed,
    /// It was sent (or should have been) and failed.
    Failed {
        /// Which way.
        kind: FailureKind,
        /// One line for a person: the server's message or the system's error. Holds no secret.
        #[serde(default)]
        detail: String,
    },
    /// In flight when the run ended or was interrupted.
    Cancelled,
    /// Due, but never sent.
    Dropped,
}

/// Kinds of failure, as `requests.failures` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No connection: it was never sent.
    Connect,
    /// Not finished within `--timeout`.
    Timeout,
    /// HTTP status other than 200.
    Status,
    /// Bytes that are not HTTP, not SSE or not the protocol's JSON.
    Protocol,
    /// HTTP 200, then an error event.
    ErrorEvent,
    /// The answer ended without the sign of its end, or the connection broke in it.
    Truncated,
    /// Fewer tokens than a forced length asked for, or none at all.
    ShortOutput,
    /// An answer far beyond the length that was asked for: it was cut.
    Endless,
}

impl FailureKind {
    /// Every kind, in the order of the reports.
    pub const ALL: [FailureKind; 8] = [
        FailureKind::Connect,
        FailureKind::Timeout,
        FailureKind::Status,
        FailureKind::Protocol,
        FailureKind::ErrorEvent,
        FailureKind::Truncated,
        FailureKind::ShortOutput,
        FailureKind::Endless,
    ];

    /// The name in files: `connect`, `timeout`, …
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Connect => "connect",
            FailureKind::Timeout => "timeout",
            FailureKind::Status => "status",
            FailureKind::Protocol => "protocol",
            FailureKind::ErrorEvent => "error_event",
            FailureKind::Truncated => "truncated",
            FailureKind::ShortOutput => "short_output",
            FailureKind::Endless => "endless",
        }
    }
}

/// Token counts of one request, as they were told. What is believed of them is [`super::token_counts::Counts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TokenCounts {
    /// Prompt tokens as the server counts them (template and BOS included).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<u32>,
    /// Output tokens as counted by `source`: what throughput counts. Includes an EOS that the server counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u32>,
    /// Output tokens delivered up to the last token-carrying event: `output` less an EOS that is
    /// counted but not shown. The `n` of TPOT, NTPOT and TPS a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<u32>,
    /// Prompt tokens that the text was made to have, without those of a template; none where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u32>,
    /// Prompt tokens that the server took from its prefix cache, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<u32>,
    /// Output tokens that are reasoning, shown or not, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u32>,
    /// Each event told its own count, so that [`Chunk::tokens`] is the server's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_event: bool,
    /// The server sent an output count that is none: negative, a fraction, a text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unusable: bool,
    /// Where `output` comes from.
    pub source: TokenSource,
}

/// Where a token count comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The server's `usage`.
    Usage,
    /// Chunks counted as tokens: an estimate.
    #[default]
    Chunks,
}

impl TokenSource {
    /// The name in files: `usage`, `chunks`.
    pub fn name(self) -> &'static str {
        match self {
            TokenSource::Usage => "usage",
            TokenSource::Chunks => "chunks",
        }
    }
}
