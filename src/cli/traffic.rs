//! What load is played, and how each request goes out.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::arrivals::{ArrivalArg, ArrivalArgs};
use super::conversations::ConversationArgs;
use super::prompts::PromptArgs;
use super::replay::ReplayArgs;
use super::sensing::SensingArgs;
use super::synthetic::SyntheticArgs;
use super::threads::ThreadsArg;
use super::units::{CountOrSeconds, count_or_seconds, seconds};
use super::wire::WireArgs;

/// Traffic.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Prompts: a JSON list or JSON lines of {id, category, prompt, max_tokens}; or ShareGPT, an OpenAI batch,
    /// MT-bench, CSV, Parquet or text, as `dataset import` reads them [default: built in]
    #[arg(long, value_name = "FILE")]
    pub dataset: Option<PathBuf>,
    /// Requests in flight [default: 20; with --rate: no cap]. sweep takes several: 1,2,4,8
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub concurrency: Vec<u32>,
    /// Open loop: requests per second that start whether or not earlier ones have ended; inf: all at once.
    /// sweep takes several: 1,2,4,inf
    #[arg(long, visible_alias = "rates", value_name = "R", value_delimiter = ',')]
    pub rate: Vec<f64>,
    /// Gaps between the starts of an open loop, or what their rate follows [default: poisson]
    #[arg(long, value_enum)]
    pub arrival: Option<ArrivalArg>,
    /// End after N requests; a conversation counts once [default: each prompt once, unless --duration]
    #[arg(long, value_name = "N")]
    pub requests: Option<u64>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub duration: Option<f64>,
    /// Requests, or a time, before the measured ones [default: the concurrency]
    #[arg(long, value_name = "N|TIME", value_parser = count_or_seconds)]
    pub warmup: Option<CountOrSeconds>,
    /// Time over which a closed loop starts its first requests
    /// [default: 1s or half a request, whichever is less]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub ramp: Option<f64>,
    /// Time that one whole request may take
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = seconds)]
    pub timeout: f64,
    /// Time that requests in flight at the end may still take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds)]
    pub drain: f64,
    /// Seed of the arrival times, and of requests and lengths that are made
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Output limit of every request [default: the dataset's, else 128]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// Name of the body's field that holds the output limit, such as max_completion_tokens
    #[arg(long, value_name = "FIELD")]
    pub max_tokens_field: Option<String>,
    /// Leave these fields out of every body, such as temperature
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    pub omit: Vec<String>,
    /// A JSON object that is merged into every body, or LABEL=JSON for one backend
    #[arg(long, value_name = "[LABEL=]JSON")]
    pub extra_body: Vec<String>,
    /// Generate exactly the output limit, where the engine can; of an unknown one it is asked all the same
    #[arg(long)]
    pub ignore_eos: bool,
    /// Ask for exact token counts an event, where the engine can (it loads the server)
    #[arg(long)]
    pub exact_itl: bool,
    /// Sampling temperature; 0 is greedy
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub temperature: f64,
    /// Which OpenAI endpoint [default: that of --url, else chat]
    #[arg(long, value_enum)]
    pub endpoint: Option<EndpointArg>,
    /// Path of the endpoint, where it is not the usual one
    #[arg(long, value_name = "PATH")]
    pub endpoint_path: Option<String>,
    /// Environment variable that holds the API key
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// A further request header, or Host; its value is never written to a file
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Certificate authority to trust, PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Do not check certificates
    #[arg(long)]
    pub insecure: bool,
    /// Speak HTTP/2: over https where TLS agrees on it (ALPN), over http at once; arrivals then bear the
    /// stamps of the client's reads, not the kernel's. A server that does not speak it is an error
    #[arg(long)]
    pub http2: bool,
    /// Threads of the load engine: auto takes as many as the load needs, by its size and by what the warm-up shows,
    /// and leaves a server on this machine half of the cores
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub client_threads: ThreadsArg,
    /// What is sensed meanwhile.
    #[command(flatten)]
    pub sensing: SensingArgs,
    /// When requests of an open loop start.
    #[command(flatten)]
    pub arrivals: ArrivalArgs,
    /// Prompts that are made.
    #[command(flatten)]
    pub synthetic: SyntheticArgs,
    /// How the file of `--dataset` is read.
    #[command(flatten)]
    pub prompts: PromptArgs,
    /// A trace that is played again.
    #[command(flatten)]
    pub replay: ReplayArgs,
    /// Conversations.
    #[command(flatten)]
    pub conversations: ConversationArgs,
    /// How a server is spoken to.
    #[command(flatten)]
    pub wire: WireArgs,
    /// Scenarios of a sweep in place of the one load: set after parsing.
    #[arg(skip)]
    pub scenarios: Vec<ScenarioLoad>,
}

/// A scenario: its loads as flags, and what it sends. Made after parsing, from the file and the command line.
#[derive(Debug)]
pub struct ScenarioLoad {
    /// Its name; none of `--compare`.
    pub name: Option<String>,
    /// The flags of the command line with those of the scenario.
    pub load: LoadArgs,
    /// Prompts of its own.
    pub prompts: Vec<String>,
    /// A file of prompts of its own.
    pub dataset: Option<PathBuf>,
}

/// Which OpenAI endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EndpointArg {
    /// /v1/chat/completions
    Chat,
    /// /v1/completions
    Completions,
}
