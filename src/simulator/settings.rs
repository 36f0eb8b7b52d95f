//! What a simulated engine is told: which wire, how fast, how long its answers are.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use super::faults::Fault;

/// Whose wire is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// llama.cpp's llama-server.
    Llamacpp,
    /// Text Generation Inference.
    Tgi,
    /// A wire that no engine here is launched for.
    Other(Wire),
}

/// A wire that is no launched engine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Triton with TensorRT-LLM's fields.
    Triton,
    /// GKE's proxy before JetStream.
    Jetstream,
    /// GKE's proxy before Sax.
    Sax,
    /// Vertex's handler of Hugging Face models.
    NaiveTransformers,
    /// `/infer`, which answers in lines of JSON.
    Lines,
    /// `/infer`, which answers in server-sent events.
    Events,
}

/// When tokens are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Service {
    /// Token i is due at start + ttft + i·itl, whatever else runs.
    Fixed {
        /// Arrival (or slot start) to first token.
        ttft: Duration,
        /// Between tokens.
        itl: Duration,
    },
    /// Steps over a batch: base + per_sequence·batch + new prompt tokens / prefill_rate; each step gives
    /// every sequence of the batch one token.
    Batching {
        /// Prompt tokens a second.
        prefill_rate: f64,
        /// Of every step.
        step_base: Duration,
        /// For each sequence of the batch.
        step_per_sequence: Duration,
    },
}

/// How long an answer is that may end by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LengthRule {
    /// Always so many tokens.
    Fixed(u32),
    /// Evenly between two lengths, both included.
    Uniform(u32, u32),
    /// Normal with mean and standard deviation, at least 1.
    Normal(f64, f64),
    /// Exponential with a mean, at least 1.
    Exponential(f64),
}

impl FromStr for LengthRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no length; write 64, 16-128, normal:100,25 or exp:80");
        let rule = if let Some(rest) = text.strip_prefix("normal:") {
            let (mean, deviation) = rest.split_once(',').ok_or_else(wrong)?;
            let (mean, deviation) =
                (positive(mean).ok_or_else(wrong)?, positive(deviation).ok_or_else(wrong)?);
            Self::Normal(mean, deviation)
        } else if let Some(rest) = text.strip_prefix("exp:") {
            Self::Exponential(positive(rest).ok_or_else(wrong)?)
        } else if let Some((low, high)) = text.split_once('-') {
            Self::Uniform(low.parse().map_err(|_| wrong())?, high.parse().map_err(|_| wrong())?)
        } else {
            Self::Fixed(text.parse().map_err(|_| wrong())?)
        };
        match rule {
            Self::Fixed(0) | Self::Uniform(0, _) => Err(format!("'{text}': an answer has at least 1 token")),
            Self::Uniform(low, high) if low > high => {
                Err(format!("'{text}': the first length is the smaller"))
            }
            Self::Fixed(_) | Self::Uniform(..) | Self::Normal(..) | Self::Exponential(_) => Ok(rule),
        }
    }
}

fn positive(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0)
}

/// How the process begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Ready after a time, 0 being at once.
    After(Duration),
    /// Loads for ever.
    Never,
    /// Ends with exit code 1 after a time of loading.
    Dies(Duration),
}

/// Everything that decides what a simulated engine does.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whose wire.
    pub engine: Engine,
    /// Address to bind.
    pub host: Ipv4Addr,
    /// Port to bind; 0: any free one.
    pub port: u16,
    /// Others may bind the same port, and share its connections.
    pub share_port: bool,
    /// Model name served.
    pub model: String,
    /// Tokens of context a request may use.
    pub context_length: u32,
    /// When tokens are due.
    pub service: Service,
    /// Half-width of the uniform factor on every time: 0.1 is ±10 %.
    pub jitter: f64,
    /// Seed of jitter, lengths, texts and faults.
    pub seed: u64,
    /// Sequences served at once; more wait in a queue.
    pub max_batch: usize,
    /// Requests running and waiting above which the engine's overload answer is given.
    pub max_in_flight: usize,
    /// Tokens that a chunk carries, after the first one, which carries one.
    pub tokens_per_chunk: u32,
    /// Length of an answer that may end by itself.
    pub length: LengthRule,
    /// Faults of single requests, first match counts.
    pub faults: Vec<Fault>,
    /// How the process begins.
    pub start: Start,
    /// Ends abruptly when this many generating requests have arrived, amid the next one.
    pub crash_after: Option<u64>,
    /// Stops listening when this many generating requests have arrived.
    pub refuse_after: Option<u64>,
    /// SIGTERM, SIGINT and SIGHUP do nothing.
    pub ignore_sigterm: bool,
    /// Starts a child in a session of its own that is left behind, for so many seconds.
    pub orphan_lifetime_s: Option<u32>,
    /// Tokens that every chat prompt has more, as under another template.
    pub prompt_tokens_extra: u32,
    /// Nagle's algorithm stays on (no TCP_NODELAY), and each event is a write of its own.
    pub nagle: bool,
    /// Writes kept for /truth; the oldest requests go first.
    pub truth_limit: usize,
}
