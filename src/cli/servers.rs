//! Servers to launch, and the one that already runs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::units::seconds;

/// Servers to launch.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
pub struct LaunchArgs {
    /// Model for all backends, or LABEL=MODEL for one: a GGUF file, a directory or a hub id
    /// [default: the try-out model]
    #[arg(long, value_name = "[LABEL=]MODEL")]
    pub model: Vec<String>,
    /// Tokens of context that one request may use
    #[arg(long, value_name = "TOKENS", default_value_t = 4096)]
    pub context_length: u32,
    /// Requests that a server may batch; raised to --concurrency
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub max_batch: u32,
    /// A backend's own parameter
    #[arg(long, value_name = "LABEL.KEY=VALUE")]
    pub set: Vec<String>,
    /// Arguments passed through to an engine: vllm="--flag value"
    #[arg(long, value_name = "LABEL=ARGS")]
    pub extra_args: Vec<String>,
    /// Environment variable of an engine; without a value it is handed through from here, as keys should be
    #[arg(long, value_name = "LABEL.NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Pretend engines with invented timings in place of the real ones, to try everything in seconds;
    /// every output says simulated. --extra-args go to `harness simulate`
    #[arg(long)]
    pub simulate: bool,
    /// GPUs to use, as CUDA numbers them: 0,1 [default: all]
    #[arg(long, value_name = "LIST")]
    pub gpus: Option<String>,
    /// Start engines as processes, or from their images
    #[arg(long, value_enum, default_value_t = LauncherArg::Process)]
    pub launcher: LauncherArg,
    /// Time that a server may take to become ready
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = seconds)]
    pub startup_timeout: f64,
    /// Directory of backend YAML files that come before the built-in ones
    #[arg(long, value_name = "DIR")]
    pub backends_dir: Option<PathBuf>,
}

/// How engines are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LauncherArg {
    /// As a process.
    Process,
    /// With `docker run`.
    Docker,
}
