//! `harness simulate`.

use clap::{Args, ValueEnum};

use super::units::seconds;

/// `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Whose wire to speak
    #[arg(long, value_enum, default_value_t = SimulateEngine::Vllm)]
    pub engine: SimulateEngine,
    /// Address to bind
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: std::net::Ipv4Addr,
    /// Port to bind; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Let further pretend engines bind the same --port: the kernel deals connections out among them, as among
    /// the threads of one server (SO_REUSEPORT)
    #[arg(long)]
    pub share_port: bool,
    /// Model name to serve
    #[arg(long, value_name = "NAME", default_value = "simulated")]
    pub model: String,
    /// Tokens of context that one request may use
    #[arg(long, value_name = "TOKENS", default_value_t = 4096)]
    pub context_length: u32,
    /// Time to the first token
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = seconds, help_heading = "Service")]
    pub ttft: f64,
    /// Time between tokens
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = seconds, help_heading = "Service")]
    pub itl: f64,
    /// Batch continuously, with so many prompt tokens a second, in place of --ttft and --itl
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["ttft", "itl"], help_heading = "Service")]
    pub prefill_rate: Option<f64>,
    /// Time of a decoding step of the batch
    #[arg(long, value_name = "TIME", default_value = "8ms", value_parser = seconds, requires = "prefill_rate",
          help_heading = "Service")]
    pub decode_step: f64,
    /// Further time of a step for each sequence in it
    #[arg(long, value_name = "TIME", default_value = "0.1ms", value_parser = seconds, requires = "prefill_rate",
          help_heading = "Service")]
    pub decode_step_per_sequence: f64,
    /// Requests served at once; more wait [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Service")]
    pub max_batch: Option<u32>,
    /// Requests served and waiting, above which the engine's overload answer comes [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Service")]
    pub max_in_flight: Option<u32>,
    /// Half-width of an even factor on every time: 0.1 is ±10 %
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Service")]
    pub jitter: f64,
    /// Seed of jitter, lengths, texts and faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Tokens that a chunk carries, after the first, which carries one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..),
          help_heading = "Service")]
    pub tokens_per_chunk: u32,
    /// Length of an answer that ends by itself: 64, 16-128, normal:100,25 or exp:80
    #[arg(long, value_name = "LENGTH", default_value = "16-128", help_heading = "Service")]
    pub output_tokens: String,
    /// Count so many tokens more in every chat prompt, as another chat template would
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Service")]
    pub prompt_tokens_extra: u32,
    /// Leave Nagle's algorithm on (no TCP_NODELAY), and write the head and each event by themselves
    #[arg(long, help_heading = "Service")]
    pub nagle: bool,
    /// Token writes kept for /truth, the newest (24 bytes each)
    #[arg(long, value_name = "N", default_value_t = 4_000_000)]
    pub truth_limit: usize,
    // It is a help text: rustdoc would take its brackets for a link.
    #[allow(rustdoc::broken_intra_doc_links)]
    /// What goes wrong, KIND:WHICH[,tokens=N][,for=TIME]. KIND: a status from 400 to 599, reset, cut,
    /// truncate, stall, garbage, badjson, short, long, error. WHICH: a share of the requests, at=N, every=N
    #[arg(long, value_name = "FAULT", help_heading = "Faults")]
    pub fault: Vec<String>,
    /// Time of loading before it is ready
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = seconds, help_heading = "Faults")]
    pub start_delay: f64,
    /// Load for ever
    #[arg(long, conflicts_with = "start_delay", help_heading = "Faults")]
    pub never_ready: bool,
    /// End with exit code 1 after --start-delay, while loading
    #[arg(long, conflicts_with = "never_ready", help_heading = "Faults")]
    pub die_loading: bool,
    /// End abruptly, exit code 1, amid the generating request after the Nth
    #[arg(long, value_name = "N", help_heading = "Faults")]
    pub crash_after: Option<u64>,
    /// Refuse new connections once the Nth generating request has arrived
    #[arg(long, value_name = "N", help_heading = "Faults")]
    pub refuse_after: Option<u64>,
    /// Do nothing on SIGTERM, SIGINT and SIGHUP
    #[arg(long, help_heading = "Faults")]
    pub ignore_sigterm: bool,
    /// Leave a child behind, in a session of its own, that ends by itself after this time
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10m", value_parser = seconds,
          help_heading = "Faults")]
    pub orphan: Option<f64>,
}

/// Whose wire to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimulateEngine {
    /// vLLM
    Vllm,
    /// SGLang
    Sglang,
    /// llama.cpp's llama-server
    Llamacpp,
    /// Text Generation Inference
    Tgi,
    /// Triton with TensorRT-LLM's fields: /v2/models/MODEL/generate_stream
    Triton,
    /// GKE's proxy before JetStream: /generate
    Jetstream,
    /// GKE's proxy before Sax: /generate
    Sax,
    /// Vertex's handler of Hugging Face models: /generate
    NaiveTransformers,
    /// /infer of {"input", "max_new_tokens", "stream"}, in lines of {"outputs": [{"text"}], "n"}
    Lines,
    /// The same in server-sent events
    Events,
}
