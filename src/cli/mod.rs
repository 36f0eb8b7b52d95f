//! What may be typed, a file a help heading: clap types, no logic, no I/O.

mod arrivals;
mod calibrate;
mod check;
mod conversations;
mod dataset;
mod export;
mod goals;
mod k8s;
mod live;
mod output;
mod prompts;
mod replay;
mod report;
mod scenarios;
mod schema;
mod search;
mod sensing;
mod servers;
mod simulate;
mod synthetic;
mod threads;
mod traffic;
mod trend;
mod units;
mod upload;
mod wire;
mod workers;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use arrivals::{ArrivalArg, ArrivalArgs, RampShape, RateRange, Step, rate_range, step};
pub use calibrate::CalibrateArgs;
pub use check::CheckArgs;
pub use conversations::{ConversationArgs, ThinkTimeArg};
pub use dataset::{DatasetArgs, DatasetCommand, GenerateArgs, ImportArgs, StatsArgs};
pub use dataset::{FormatArg, LimitFromArg, TurnsArg};
pub use export::{ExportArg, ExportArgs};
pub use goals::GoalArgs;
pub use k8s::{K8sArgs, K8sCommand, ManifestArgs, PlayedCommand};
pub use live::LiveArgs;
pub use output::OutputArgs;
pub use prompts::PromptArgs;
pub use replay::{OnStepBackArg, ReplayArgs, TraceFormatArg, TraceFormatArgs};
pub use report::{ReportArgs, TtftArg, WindowArg};
pub use scenarios::ScenarioArgs;
pub use schema::{SchemaArgs, SchemaOf};
pub use search::{AutoArg, SearchArgs};
pub use servers::{LaunchArgs, LauncherArg};
pub use simulate::{SimulateArgs, SimulateEngine};
pub use synthetic::{OutputDistArg, PromptDistArg, SyntheticArgs};
pub use threads::ThreadsArg;
pub use traffic::{EndpointArg, LoadArgs, ScenarioLoad};
pub use trend::TrendArgs;
pub use units::{CountOrSeconds, count_or_seconds, percent, seconds};
pub use upload::UploadArgs;
pub use wire::{FramingArg, ProtocolArg, WireArgs};
pub use workers::{WorkerArgs, WorkerLossArg, WorkerOf, WorkersArg};

/// Which LLM inference server is faster for your model, your traffic and your machine, by how much,
/// and can you trust it?
#[derive(Debug, Parser)]
#[command(name = "harness", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  harness install llamacpp tryout-model       an engine and a small model
  harness compare --backend all               every engine here, same traffic
  harness sweep --backend all --rates 1,2,4   rising load
  harness bench --url http://127.0.0.1:8000   a server that already runs
  harness doctor                              what can run here

A flag may also be set as HARNESS_FLAG_NAME in the environment, or as a key
of --plan plan.yaml: flag over environment over file over default.
Exit codes: 0 all well; 1 a request or a backend failed, an objective (--slo)
was missed, and with --strict a result is not valid; 2 could not do what was asked; 130 interrupted.")]
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
  harness compare --backend vllm,sglang --model ./Llama-3.1-8B --concurrency 64
  harness compare --backend all --model ./hf --model llamacpp=./model.gguf
  harness compare --backend a=vllm,b=vllm --set b.max_num_batched_tokens=8192
  harness compare --backend all --prompt-dist lognormal --prompt-tokens 500 --output-dist fixed --output-tokens 99
  harness compare --backend a=vllm,b=vllm --extra-body b='{\"top_k\": 1}'

Three launches of each backend, in alternating order, with two runs on each:
  harness compare --backend all --rounds 3 --repeats 2
As many rounds as it takes to tell them apart, or within 5 % of each other:
  harness compare --backend all --until-sure 5%
What an interrupted comparison left to play:
  harness compare --resume results/compare_20260201_143000
Its results to a bucket too:
  harness compare --backend all --upload s3://my-bucket/llm
Pretend engines, with nothing to install:
  harness compare --backend all --simulate")]
    Compare(CompareArgs),
    /// Launch one backend, measure it, and stop it
    #[command(after_help = "\
Examples:
  harness run --backend llamacpp --model ./model.gguf --requests 100
  harness run --backend vllm --rate 4 --duration 2m --max-tokens 128
  harness run --backend vllm --rate 4 --burstiness 0.3
  harness run --backend vllm --burst-size 20 --burst-every 10s --requests 200
  harness run --backend vllm --ramp-rates 1..20 --duration 5m
  harness run --backend vllm --arrival constant --steps 1@30s,5@60s,0@10s
  harness run --backend llamacpp --protocol llamacpp
  harness run --backend ./mine.yaml
  harness run --backend vllm --simulate --extra-args vllm=\"--ttft 30ms\"")]
    Run(CompareArgs),
    /// Measure a server that already runs
    #[command(after_help = "\
Examples:
  harness bench --url http://127.0.0.1:8000 --concurrency 32 --requests 500
  harness bench --url https://llm.example.com --api-key-env LLM_KEY --rate 10
  harness bench --url http://127.0.0.1:30000 --backend sglang --warmup 0
  harness bench --url https://llm.example.com --http2 --concurrency 64
  harness bench --url http://127.0.0.1:8000 --prompt-dist uniform --prompt-max-tokens 900
  harness bench --url http://127.0.0.1:8000/v1/completions --model my-model
  harness bench --url http://10.0.0.1 --header 'Host: tiny.models.example'
  harness bench --url http://127.0.0.1:8000 --dataset talks.jsonl --think-time exp:2s
  harness bench --url http://127.0.0.1:8000 --models a,b --traffic-split 0.9,0.1
  harness bench --url http://10.0.0.1:8000 --url http://10.0.0.2:8000
  harness bench --url http://127.0.0.1:8000 --trace azure.csv --speed 2 --window 10m..20m
  harness bench --url http://127.0.0.1:8000 --upload gs://my-bucket/llm

One load from several machines, by hand or in a Slurm step:
  harness bench --url http://10.0.0.9:8000 --rate 400 --worker 0/4 --join 10.0.0.1:7400
  srun -N4 -n4 harness bench --url http://10.0.0.9:8000 --rate 400 --workers auto

Servers that refuse a field of the body, or want a further one:
  harness bench --url https://llm.example.com --api-key-env LLM_KEY --model o5 \\
    --max-tokens-field max_completion_tokens --omit temperature
  harness bench --url http://127.0.0.1:8000 --extra-body '{\"top_k\": 1}'

Other protocols, and a server that speaks none that is known:
  harness bench --url http://127.0.0.1:3000 --protocol tgi
  harness bench --url http://127.0.0.1:8000 --protocol triton-trtllm --model ensemble
  harness bench --url http://127.0.0.1:8000 --protocol llamacpp --no-stream
  harness bench --url http://127.0.0.1:9000/infer --response-text-path '$.outputs[0].text' \\
    --request-body-template '{\"input\":\"{prompt}\",\"max_new_tokens\":{max_tokens}}'
  harness bench --url unix:/run/llm.sock --api-key-file ./key")]
    Bench(BenchArgs),
    /// Several loads on each backend or on one server: rising concurrency or rate
    #[command(after_help = "\
Examples:
  harness sweep --backend all --concurrency 1,2,4,8,16 --requests 100
  harness sweep --backend vllm,sglang --rates 1,2,4,8,inf --rounds 3
  harness sweep --url http://127.0.0.1:8000 --rates 1,2,4 --duration 30s
  harness sweep --backend all --simulate --concurrency 1,4,16
The curve of each around its knee, with loads that it finds itself:
  harness sweep --backend all --auto
  harness sweep --url http://127.0.0.1:8000 --auto concurrency --points 10
The highest rate of each that keeps its promises, with its interval:
  harness sweep --backend all --find-max-rate --slo ttft_p90=500ms,tpot_p90=50ms
Named loads from a file, one curve each; numbers of requests; numbers in flight:
  harness sweep --backend all --scenarios scenarios.yaml
  harness sweep --scenarios benchmark_config.json
  harness sweep --url http://127.0.0.1:8000 --compare 10,50,100,200
  harness sweep --url http://127.0.0.1:8000 --requests 100 --concurrent-tests 5,10,20,50

Each backend is launched once a round, and all loads are played on that launch.")]
    Sweep(SweepArgs),
    /// Make every report again from the raw records, also after a crash
    #[command(after_help = "\
Examples:
  harness report results
  harness report results/compare_20260201_143000
  harness report results/vllm_20260201_143000_records.jsonl.zst

Another report of the same records, in a directory of its own:
  harness report results/compare_20260201_143000 --window 10s..60s --output cut
  harness report results --ttft first-event --baseline sglang --output other
Several results side by side, NOT PAIRED:
  harness report monday/ tuesday/ --output both
What was measured, to a bucket:
  harness report results --upload gs://my-bucket/llm
What Google's inference-benchmark would have written, for its analyze.py:
  harness report results --export lpg-json --output lpg && python analyze.py lpg")]
    Report(ReportArgs),
    /// Tell whether a result is worse than an earlier one, for CI
    #[command(after_help = "\
Examples:
  harness check results/compare_20260202_143000 \\
    --baseline results/compare_20260201_143000
  harness check new.json --baseline main/comparison.json \\
    --max-regression ttft_p99=10%,output_tps=5%,error_rate=0.5
  harness check now/ --baseline then/ --label tuned=vllm --junit check.xml
  harness check now/ --baseline then/ --strict --github

A regression exceeds its limit and is real: Welch's t on the logarithms of the
rounds' values, Holm over all checked figures. That takes three rounds or more
on each side (compare --rounds 5). With fewer nothing is shown: the exit code
is 0 and the output says CANNOT TELL; with --strict it is 1.
Exit codes: 0 no regression was shown; 1 a regression; 2 something could not
be checked (another model, load or machine, a label or value that is missing).")]
    Check(CheckArgs),
    /// Show the file of all runs over time, changes marked
    #[command(after_help = "\
Examples:
  harness trend
  harness trend --backend vllm --last 30
  harness trend results/benchmark_summary.csv --metric output_tps,e2e_p99
  harness trend results/simulated_summary.csv --json

A run outside the prediction interval of the earlier runs of its level is
marked (1 % after Holm over the figures shown; three earlier runs or more).")]
    Trend(TrendArgs),
    /// Print the JSON Schema of plan and results
    #[command(after_help = "\
Examples:
  harness schema run > run.schema.json
  harness schema comparison
  harness schema                        the names of all of them")]
    Schema(SchemaArgs),
    /// Make prompts, read them from other tools' files and traces, and tell what is in them
    Dataset(DatasetArgs),
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
  harness simulate --engine sglang --prefill-rate 8000 --decode-step 8ms
  harness simulate --engine tgi --fault 429:0.05 --fault cut:at=3,tokens=10

It prints `listening on http://HOST:PORT` as soon as the port is bound.
GET /truth gives each request's arrival and each token's write as JSON lines,
GET /truth/summary counts and lateness, POST /truth/reset forgets them.")]
    Simulate(SimulateArgs),
    /// Measure how exact this client is on this machine, load by load, against a pretend engine
    #[command(after_help = "\
Examples:
  harness calibrate                       half a minute
  harness calibrate --full                three minutes, up to 2,000 streams
  harness calibrate --loads 100x30,50/s   100 streams of 30 tokens/s; 50 requests/s

The pretend engine runs beside the client on this machine and keeps the true
times of every request and token. The figures of the whole grid (those of
--loads only with --save) are saved in the data directory; later runs beyond
the load at which the error stays under 1 ms carry the caveat
beyond_calibration.")]
    Calibrate(CalibrateArgs),
    /// Print the same plan as Kubernetes objects: load from many machines
    K8s(K8sArgs),
}

impl Command {
    /// Where results go, of a command that plays a load.
    pub fn output_mut(&mut self) -> Option<&mut OutputArgs> {
        match self {
            Command::Compare(args) | Command::Run(args) => Some(&mut args.output),
            Command::Bench(args) => Some(&mut args.output),
            Command::Sweep(args) => Some(&mut args.output),
            Command::Report(_)
            | Command::Check(_)
            | Command::Schema(_)
            | Command::Trend(_)
            | Command::Dataset(_)
            | Command::Install(_)
            | Command::Doctor(_)
            | Command::Simulate(_)
            | Command::Calibrate(_)
            | Command::K8s(_) => None,
        }
    }
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
    pub url: Vec<String>,
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
    /// The highest load.
    #[command(flatten)]
    pub search: SearchArgs,
    /// Named loads.
    #[command(flatten)]
    pub scenarios: ScenarioArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How often everything is measured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Runs")]
pub struct RunsArgs {
    /// Launch and measure every backend N times, in alternating order: A B C, C B A, C B A, A B C. A server that
    /// already runs is only measured again
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Play each load N times in every round
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: u32,
    /// Where servers did not get the same work: strict gives no ratio and exits 1, warn gives no ratio, off
    /// sends no probe set before the load and forbids nothing
    #[arg(long, value_enum, value_name = "MODE", default_value_t = FairnessArg::Warn)]
    pub fairness: FairnessArg,
    /// Hold the others against this backend [default: the best by output TPS]
    #[arg(long, value_name = "LABEL")]
    pub baseline: Option<String>,
    /// Play rounds until every backend is shown to differ from the baseline, or to be within so many %, in output TPS
    /// and TTFT p50. It looks after each round from the third on, with bounds that allow for that
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "rounds")]
    pub until_sure: Option<f64>,
    /// The most rounds of --until-sure
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(3..=60))]
    pub rounds_max: u32,
    /// What is wanted of a server.
    #[command(flatten)]
    pub goals: GoalArgs,
    /// Machines that play it together.
    #[command(flatten)]
    pub workers: WorkerArgs,
}

/// What is done where servers are not level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FairnessArg {
    /// No ratio, and exit code 1
    Strict,
    /// No ratio
    Warn,
    /// No probe set; nothing forbids a ratio
    Off,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The server: http://HOST:PORT or https://…; the whole endpoint (…/v1/chat/completions) is taken too.
    /// Several (--url A --url B): units are dealt out to all in turn
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// Its name in the results; a known engine's name also takes what its file says of the protocol
    #[arg(long, value_name = "LABEL")]
    pub backend: Option<String>,
    /// The model to ask for [default: the first that /v1/models lists and that generates text by its name]
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub model: Option<String>,
    /// Send requests first, to see that the server generates, and how it counts and answers the probe set
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

/// A build of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// Made for this machine; llama.cpp compiles (a C++ compiler, minutes)
    Source,
    /// Ready-made, seconds, no compiler, no GPU
    Prebuilt,
}

/// `install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Backends, or `tryout-model`
    #[arg(value_name = "BACKEND", required = true)]
    pub names: Vec<String>,
    /// Which build, where an engine has both (llamacpp). Without it: prebuilt on a machine without a GPU.
    /// Both can be there: --set llamacpp.build=prebuilt picks one
    #[arg(long, value_enum, value_name = "BUILD")]
    pub from: Option<From>,
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

/// The command line with `HARNESS_…` environment variables for every flag.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommands(|subcommand| {
        // HARNESS_OUTPUT is where results go, and must not send a report of them elsewhere.
        let is_report = subcommand.get_name() == "report";
        subcommand.mut_args(|arg| match arg.get_long() {
            Some("help") | Some("version") | None => arg,
            Some(_) if is_report => arg,
            Some(long) => {
                let name = format!("HARNESS_{}", long.to_uppercase().replace('-', "_"));
                arg.env(name).hide_env(true)
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_sub_command_shows_an_example() {
        for sub in command().get_subcommands() {
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains(&format!("harness {}", sub.get_name())), "{help}");
        }
    }
}
