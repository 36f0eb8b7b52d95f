//! A trace: requests that were seen somewhere, with their times and lengths; and how one is played again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::synthetic::TokenizerFile;

/// One request of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceRow {
    /// When it came, µs by the file's own clock: since its zero, or since 1970.
    pub at_us: u64,
    /// Tokens of its prompt.
    pub input_tokens: u32,
    /// Tokens of its answer.
    pub output_tokens: u32,
    /// Which request of the file, from 0.
    pub index: u32,
    /// The line on which it stands, from 1.
    pub line: u32,
    /// Ids of the parts of its prompt, from the beginning. Rows with the same id have the same part.
    pub blocks: Box<[u64]>,
    /// Whose request it is, as a number of the file's own.
    pub session: Option<u32>,
    /// Nothing was answered: the file holds no answer of it, or one without a token.
    pub failed: bool,
}

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TraceFormat {
    /// Azure's LLM inference traces of 2023 and 2024: CSV.
    Azure,
    /// BurstGPT 1 to 3: CSV.
    BurstGpt,
    /// Mooncake: JSON lines with hash blocks of 512 tokens.
    Mooncake,
    /// Bailian (Qwen): JSON lines with hash blocks of 16 tokens.
    Bailian,
    /// RAGPulse: JSON lines with ids of a prompt's components.
    RagPulse,
    /// The CSV of vidur.
    Vidur,
    /// AIBrix' workload: JSON lines, several requests each.
    Aibrix,
    /// Any table whose columns are named.
    Columns,
}

impl TraceFormat {
    /// All of them.
    pub const ALL: [TraceFormat; 8] = [
        TraceFormat::Azure,
        TraceFormat::BurstGpt,
        TraceFormat::Mooncake,
        TraceFormat::Bailian,
        TraceFormat::RagPulse,
        TraceFormat::Vidur,
        TraceFormat::Aibrix,
        TraceFormat::Columns,
    ];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            TraceFormat::Azure => "azure",
            TraceFormat::BurstGpt => "burstgpt",
            TraceFormat::Mooncake => "mooncake",
            TraceFormat::Bailian => "bailian",
            TraceFormat::RagPulse => "ragpulse",
            TraceFormat::Vidur => "vidur",
            TraceFormat::Aibrix => "aibrix",
            TraceFormat::Columns => "columns",
        }
    }

    /// As a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            TraceFormat::Azure => "Azure LLM inference trace",
            TraceFormat::BurstGpt => "BurstGPT trace",
            TraceFormat::Mooncake => "Mooncake trace",
            TraceFormat::Bailian => "Bailian (Qwen) trace",
            TraceFormat::RagPulse => "RAGPulse trace",
            TraceFormat::Vidur => "vidur trace",
            TraceFormat::Aibrix => "AIBrix workload",
            TraceFormat::Columns => "trace by named columns",
        }
    }

    /// Tokens of a hash block, where the format has blocks of one length.
    pub fn block_tokens(self) -> Option<u32> {
        match self {
            TraceFormat::Mooncake => Some(512),
            TraceFormat::Bailian => Some(16),
            TraceFormat::Azure
            | TraceFormat::BurstGpt
            | TraceFormat::RagPulse
            | TraceFormat::Vidur
            | TraceFormat::Aibrix
            | TraceFormat::Columns => None,
        }
    }
}

/// The unit of times that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// Where the columns (or keys) of a table are that no format describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceColumns {
    /// When a request came: a number, or a date with a time.
    pub time: String,
    /// Tokens of its prompt.
    pub input: String,
    /// Tokens of its answer.
    pub output: String,
    /// Unit of a time that is a number.
    #[serde(default)]
    pub time_unit: TimeUnit,
}

/// What is done where a row is earlier than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStepBack {
    /// The file is refused.
    #[default]
    Error,
    /// What follows is a further part: it begins when the part before it has ended.
    Append,
    /// Rows are sorted by their times.
    Sort,
}

/// How a trace is read and played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceOptions {
    /// The format; none: by what the file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TraceFormat>,
    /// Columns of a table that no format describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<TraceColumns>,
    /// Times are divided by this.
    pub speed: f64,
    /// Only rows from here on, seconds after the first.
    #[serde(default)]
    pub from_s: f64,
    /// Only rows before this, seconds after the first; none: to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_s: Option<f64>,
    /// Requests of one tick of the log's clock are spread over it.
    #[serde(default)]
    pub spread_ticks: bool,
    /// What is done where a row is earlier than the one before it.
    #[serde(default)]
    pub on_step_back: OnStepBack,
    /// Longer prompts are cut, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u32>,
    /// Longer answers are cut, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// Rows that cannot be read are counted and left out.
    #[serde(default)]
    pub skip_bad: bool,
}

/// The whole trace as it stands.
impl Default for TraceOptions {
    fn default() -> Self {
        TraceOptions {
            format: None,
            columns: None,
            speed: 1.0,
            from_s: 0.0,
            to_s: None,
            spread_ticks: false,
            on_step_back: OnStepBack::Error,
            max_input_tokens: None,
            max_output_tokens: None,
            skip_bad: false,
        }
    }
}

/// A trace that is played: how, and what became of its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceSource {
    /// How it is read and played, with the format that was found.
    pub options: TraceOptions,
    /// Rows in the file.
    pub rows: u64,
    /// Rows without an answer, left out.
    pub failed: u64,
    /// Rows that could not be read, left out.
    #[serde(default)]
    pub bad: u64,
    /// Rows outside the window, left out.
    pub outside: u64,
    /// Prompts that were cut.
    pub inputs_cut: u64,
    /// Answers that were cut.
    pub outputs_cut: u64,
    /// The tokenizer in whose tokens prompts have their lengths; none: a word counts as a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerFile>,
    /// Seconds by which parts that began before the end of the one before them were moved: one a part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved_s: Vec<f64>,
}

/// A log whose times are those of a clock that ticks slowly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ticks {
    /// Seconds from one tick to the next.
    pub step_s: f64,
    /// Instants at which requests came.
    pub instants: u64,
    /// Requests.
    pub rows: u64,
}

/// Requests that start when those of a trace did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceArrivals {
    /// The trace's name.
    pub name: String,
    /// Requests in it.
    pub requests: u64,
    /// Mean requests per second, as they are played; none where all come at one instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<f64>,
    /// Requests per second of its busiest 10 s, as they are played; none where all come at one instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_per_s: Option<f64>,
    /// The most requests at one instant.
    pub at_once: u64,
    /// Times are divided by this.
    pub speed: f64,
    /// They sit on the ticks of a log's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks: Option<Ticks>,
}

/// A few words: `trace azure 5.53/s`.
impl std::fmt::Display for TraceArrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "trace {}", self.name)?;
        if let Some(rate) = self.rate_per_s {
            write!(f, " {rate:.2}/s")?;
        }
        if self.speed == 1.0 { Ok(()) } else { write!(f, " at {} times its speed", self.speed) }
    }
}
