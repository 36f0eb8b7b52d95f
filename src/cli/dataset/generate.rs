//! `harness dataset generate`.

use std::path::PathBuf;

use clap::Args;

/// `dataset generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export OPENROUTER_API_KEY=…
  harness dataset generate --model meta-llama/llama-3.3-70b-instruct --count 100
  harness dataset generate --url http://127.0.0.1:8000 --count 50 \\
    --categories code,summarisation --output mine.jsonl
  harness bench --url http://127.0.0.1:8000 --dataset mine.jsonl

Each prompt is checked (no answer, refusal or remark; its length) and kept only
if no other is the same or nearly so. Whole lines are appended: what is in the
file counts, so the same command goes on where an earlier one ended. The key is
read from the variable and never written anywhere.
Exit codes: 0 the file holds them all; 1 the model gave nothing new any more;
2 it could not be asked; 130 interrupted.")]
pub struct GenerateArgs {
    /// An OpenAI-compatible server: http://HOST:PORT, or the address that ends in /v1
    #[arg(long, value_name = "URL", default_value = "https://openrouter.ai/api/v1")]
    pub url: String,
    /// Environment variable that holds the API key [default: OPENROUTER_API_KEY, for OpenRouter alone]
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// The model that writes [default: the first that a server other than OpenRouter lists]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Prompts in the file at the end
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Kinds of prompts, dealt evenly; any word is one [default: those of the built-in prompts]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub categories: Vec<String>,
    /// The file, one JSON object a line; what it holds already counts
    #[arg(long, value_name = "FILE.jsonl", default_value = "generated_dataset.jsonl")]
    pub output: PathBuf,
    /// Limit of one reply, which holds up to eight prompts, tokens
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: u32,
    /// Sampling temperature: prompts differ by it
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f64,
    /// Seed of the subjects that are asked for; where it is given it is sent to the server too
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Shortest prompt, characters
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub min_length: u32,
    /// Longest prompt, characters
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub max_length: u32,
    /// Times that a request is sent where the server is busy (429, 5xx) or does not answer
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub tries: u32,
    /// Print results and errors only
    #[arg(long, short)]
    pub quiet: bool,
}
