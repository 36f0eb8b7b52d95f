//! What may be typed: clap types, no logic, no I/O.

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

/// Which LLM inference server is faster for your model, your traffic and your machine, by how much,
/// and can you trust it?
#[derive(Debug, Parser)]
#[command(name = "harness", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  harness install llamacpp tryout-model          an engine and a small model to try it with
  harness compare --backend all                  every engine that is here, same traffic, one table
  harness bench --url http://127.0.0.1:8000      a server that already runs
  harness doctor                                 what can run here, and what would spoil a result

Every flag can also be set as HARNESS_FLAG_NAME in the environment, or as a key of --plan plan.yaml:
flag over environment over file over default.
Exit codes: 0 all well; 1 a request or backend failed; 2 could not do what was asked; 130 interrupted.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Launch several backends in turn, play the same traffic to each, and compare them
    #[command(after_help = "\
Examples:
  harness compare --backend all
  harness compare --backend vllm,sglang --model ./Llama-3.1-8B --requests 500 --concurrency 64
  harness compare --backend all --model ./hf-model --model llamacpp=./model.gguf --duration 60s
  harness compare --backend base=vllm,tuned=vllm --set tuned.max_num_batched_tokens=8192
  harness compare --backend all --rounds 3 --repeats 2     each launched three times, in alternating order
  harness compare --resume results/compare_20260201_143000 what an interrupted comparison left to play
  harness compare --backend all --simulate       pretend engines: nothing to install, seconds")]
    Compare(CompareArgs),
    /// Launch one backend, measure it, and stop it
    #[command(after_help = "\
Examples:
  harness run --backend llamacpp --model ./model.gguf --concurrency 8 --requests 100
  harness run --backend vllm --rate 4 --duration 2m --ignore-eos --max-tokens 128
  harness run --backend ./mine.yaml
  harness run --backend vllm --simulate --extra-args vllm=\"--ttft 30ms --itl 5ms\"")]
    Run(CompareArgs),
    /// Measure a server that already runs
    #[command(after_help = "\
Examples:
  harness bench --url http://127.0.0.1:8000 --concurrency 32 --requests 500
  harness bench --url https://llm.example.com --backend prod --api-key-env LLM_KEY --rate 10 --duration 5m
  harness bench --url http://127.0.0.1:30000 --backend sglang --warmup 0
  harness bench --url https://llm.example.com --http2 --concurrency 64")]
    Bench(BenchArgs),
    /// Several loads on each backend or on one server: rising concurrency or rate
    #[command(after_help = "\
Examples:
  harness sweep --backend all --concurrency 1,2,4,8,16 --requests 100
  harness sweep --backend vllm,sglang --rates 1,2,4,8,inf --requests 200 --rounds 3
  harness sweep --url http://127.0.0.1:8000 --rates 1,2,4 --duration 30s
  harness sweep --backend all --simulate --concurrency 1,4,16

Each backend is launched once a round, and all loads are played on that launch.")]
    Sweep(SweepArgs),
    /// Make every report again from the raw records, also after a crash
    #[command(after_help = "\
Examples:
  harness report results
  harness report results/compare_20260201_143000
  harness report results/vllm_20260201_143000_records.jsonl.zst")]
    Report(ReportArgs),
    /// Put an engine into an environment of its own, or fetch the model to try
    #[command(after_help = "\
Examples:
  harness install llamacpp tryout-model
  harness install vllm sglang")]
    Install(InstallArgs),
    /// Show what can run here, and what would spoil a measurement
    #[command(after_help = "\
Examples:
  harness doctor
  harness doctor --backends-dir ./backends")]
    Doctor(DoctorArgs),
    /// Run a pretend engine that keeps the truth about its timings, for tests and calibration
    #[command(after_help = "\
Examples:
  harness simulate --engine vllm --port 8000 --ttft 50ms --itl 20ms
  harness simulate --engine sglang --prefill-rate 8000 --decode-step 8ms --decode-step-per-sequence 0.2ms
  harness simulate --engine tgi --fault 429:0.05 --fault cut:at=3,tokens=10 --seed 7

It prints `listening on http://HOST:PORT` as soon as the port is bound. GET /truth gives each request's
arrival and each token's write as JSON lines, GET /truth/summary counts and lateness, POST /truth/reset
forgets them.")]
    Simulate(SimulateArgs),
    /// Measure how exact this client is on this machine, load by load, against a pretend engine
    #[command(after_help = "\
Examples:
  harness calibrate                          half a minute
  harness calibrate --full                   three minutes, a finer grid up to 2,000 streams
  harness calibrate --loads 100x30,50/s      your own load: 100 streams of 30 tokens/s, 50 requests/s

The pretend engine runs beside the client on this machine and keeps the true times of every request and
token. The figures of the whole grid (those of --loads only with --save) are saved in the data directory;
later runs beyond the load at which the error stays under 1 ms carry the caveat beyond_calibration.")]
    Calibrate(CalibrateArgs),
}

/// `compare` and `run`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Backends, separated by commas: `all`, a name, LABEL=NAME, or the path of a YAML file
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub backend: Vec<String>,
    /// Play what an earlier try left: the directory that it wrote, such as results/compare_20260201_143000.
    /// Its plan is taken as it is
    #[arg(long, value_name = "DIR", conflicts_with = "backend")]
    pub resume: Option<PathBuf>,
    /// Servers to launch.
    #[command(flatten)]
    pub launch: LaunchArgs,
    /// Traffic.
    #[command(flatten)]
    pub load: LoadArgs,
    /// How often.
    #[command(flatten)]
    pub runs: RunsArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Backends to launch, as in compare; with --url the server's name in the results
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub backend: Vec<String>,
    /// A server that already runs: http://HOST:PORT or https://…
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Play what an earlier try left: the directory that it wrote. Its plan is taken as it is
    #[arg(long, value_name = "DIR", conflicts_with_all = ["backend", "url"])]
    pub resume: Option<PathBuf>,
    /// Servers to launch.
    #[command(flatten)]
    pub launch: LaunchArgs,
    /// Traffic.
    #[command(flatten)]
    pub load: LoadArgs,
    /// How often.
    #[command(flatten)]
    pub runs: RunsArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How often everything is measured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Runs")]
pub struct RunsArgs {
    /// Launch and measure every backend N times, in alternating order: A B C, then C B A
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Play each load N times on every launch
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: u32,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The server: http://HOST:PORT or https://…
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Its name in the results; a known engine's name also takes what its file says of the protocol
    #[arg(long, value_name = "LABEL")]
    pub backend: Option<String>,
    /// The model to ask for [default: the one that /v1/models lists]
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub model: Option<String>,
    /// Send one request first, to see that the server generates
    #[arg(long)]
    pub probe: bool,
    /// Directory of backend YAML files that come before the built-in ones
    #[arg(long, value_name = "DIR", help_heading = "Server")]
    pub backends_dir: Option<PathBuf>,
    /// Traffic.
    #[command(flatten)]
    pub load: LoadArgs,
    /// How often.
    #[command(flatten)]
    pub runs: RunsArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

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

/// Traffic.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Prompts: a JSON list or JSON lines of {id, category, prompt, max_tokens} [default: built in]
    #[arg(long, value_name = "FILE")]
    pub dataset: Option<PathBuf>,
    /// Requests in flight [default: 20; with --rate: no cap]. sweep takes several: 1,2,4,8
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub concurrency: Vec<u32>,
    /// Open loop: requests per second that start whether or not earlier ones have ended; inf: all at once.
    /// sweep takes several: 1,2,4,inf
    #[arg(long, visible_alias = "rates", value_name = "R", value_delimiter = ',')]
    pub rate: Vec<f64>,
    /// Gaps between the starts of an open loop [default: poisson]
    #[arg(long, value_enum)]
    pub arrival: Option<ArrivalArg>,
    /// End after N requests [default: each prompt once, unless --duration]
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
    /// Seed of the arrival times
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Output limit of every request [default: the dataset's, else 128]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// Generate exactly the output limit, where the engine can
    #[arg(long)]
    pub ignore_eos: bool,
    /// Ask for exact token counts an event, where the engine can (it loads the server)
    #[arg(long)]
    pub exact_itl: bool,
    /// Sampling temperature; 0 is greedy
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub temperature: f64,
    /// Which OpenAI endpoint
    #[arg(long, value_enum, default_value_t = EndpointArg::Chat)]
    pub endpoint: EndpointArg,
    /// Another path for it
    #[arg(long, value_name = "PATH")]
    pub endpoint_path: Option<String>,
    /// Environment variable that holds the API key
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// A further request header; its value is never written to a file
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
    /// Threads of the load engine
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub client_threads: u32,
    /// Time between two readings of the server's metrics page during a run; 0: it is not read
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub scrape_interval: f64,
}

/// Gaps between the starts of an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArrivalArg {
    /// Exponential gaps, as independent users make them
    Poisson,
    /// Equal gaps
    Constant,
}

/// Which OpenAI endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EndpointArg {
    /// /v1/chat/completions
    Chat,
    /// /v1/completions
    Completions,
}

/// Where results go, and what is said meanwhile.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Directory of all results
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub output: PathBuf,
    /// YAML file with any of these flags as keys
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Print the resolved plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Exit 1 also where the result is not valid
    #[arg(long)]
    pub strict: bool,
    /// Print results and errors only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print launched commands and the servers' log lines too
    #[arg(long, short)]
    pub verbose: bool,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Result directories, comparison directories, run or records files
    #[arg(value_name = "RESULTS", required = true)]
    pub results: Vec<PathBuf>,
}

/// `install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Backends, or `tryout-model`
    #[arg(value_name = "BACKEND", required = true)]
    pub names: Vec<String>,
    /// Directory of backend YAML files that come before the built-in ones
    #[arg(long, value_name = "DIR")]
    pub backends_dir: Option<PathBuf>,
    /// Print errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Directory of backend YAML files that come before the built-in ones
    #[arg(long, value_name = "DIR")]
    pub backends_dir: Option<PathBuf>,
}

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

/// `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// A few loads, half a minute; this is the default
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// More loads, 10 s each
    #[arg(long)]
    pub full: bool,
    /// Loads of your own, separated by commas: STREAMSxTOKENS_PER_S, or RATE/s for an open loop
    #[arg(long, value_name = "LOAD,…", value_delimiter = ',')]
    pub loads: Vec<String>,
    /// Save the figures of --loads too, in place of the whole grid's
    #[arg(long, requires = "loads")]
    pub save: bool,
    /// Time a load [default: 2s; with --full 10s]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub duration: Option<f64>,
    /// Threads of the load engine
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub client_threads: u32,
    /// Seed of the arrival times
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print results and errors only
    #[arg(long, short)]
    pub quiet: bool,
    /// Print launched commands too
    #[arg(long, short)]
    pub verbose: bool,
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
}

/// A number of requests or a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CountOrSeconds {
    /// So many requests.
    Count(u64),
    /// So many seconds.
    Seconds(f64),
}

/// The command line with `HARNESS_…` environment variables for every flag.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| match arg.get_long() {
            Some("help") | Some("version") | None => arg,
            Some(long) => {
                let name = format!("HARNESS_{}", long.to_uppercase().replace('-', "_"));
                arg.env(name).hide_env(true)
            }
        })
    })
}

/// A time in seconds: `500ms`, `60s`, `5m`, `1h`; a bare number is seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("unknown unit '{other}'; write 500ms, 60s, 5m or 1h")),
    };
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value * scale),
        Ok(_) | Err(_) => Err("not a time; write 500ms, 60s, 5m or 1h".into()),
    }
}

/// `20` is a count, `10s` a time.
pub fn count_or_seconds(text: &str) -> Result<CountOrSeconds, String> {
    match text.trim().parse::<u64>() {
        Ok(count) => Ok(CountOrSeconds::Count(count)),
        Err(_) => seconds(text).map(CountOrSeconds::Seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn times_take_units() {
        assert_eq!(seconds("500ms"), Ok(0.5));
        assert_eq!(seconds("60s"), Ok(60.0));
        assert_eq!(seconds("5m"), Ok(300.0));
        assert_eq!(seconds("1.5"), Ok(1.5));
        assert!(seconds("5 parsecs").is_err());
        assert!(seconds("").is_err());
        assert!(seconds("-1s").is_err());
        assert_eq!(count_or_seconds("20"), Ok(CountOrSeconds::Count(20)));
        assert_eq!(count_or_seconds("10s"), Ok(CountOrSeconds::Seconds(10.0)));
    }

    #[test]
    fn every_sub_command_shows_an_example() {
        for sub in command().get_subcommands() {
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains(&format!("harness {}", sub.get_name())), "{help}");
        }
    }
}
