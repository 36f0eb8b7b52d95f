//! A backend as the plan holds it: resolved from its YAML file, the settings and the machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::served::ServerTime;
pub use super::wire::ProtocolName;

/// Stands for the port of the metrics page until the launch, a free one.
pub const METRICS_PORT: &str = "{metrics_port}";
/// Stands for an empty directory of the launch's own until the launch; it goes with the server.
pub const SCRATCH: &str = "{scratch}";

/// One server to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The name in every output: `vllm`, or `tuned` for `--backend tuned=vllm`.
    pub label: String,
    /// The definition that it was made from: `vllm`, `llamacpp`, … or `openai` for a plain server.
    pub engine: String,
    /// The engine's name as its makers write it: `vLLM`, `llama.cpp`.
    pub title: String,
    /// The engine's version, where it can be known before the launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The model served.
    pub model: Model,
    /// How to talk to it.
    pub capabilities: Capabilities,
    /// What the server counts about itself.
    #[serde(default)]
    pub metrics: ServerMetrics,
    /// Shared settings that this target does not take as shared, because its own name overrides them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_level: Vec<NotLevel>,
    /// Launched by us, or already there.
    pub origin: Origin,
    /// Of a server that already runs: further URLs, among which units are dealt out in turn with its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_urls: Vec<String>,
}

impl Target {
    /// It is to be launched, and does not run already.
    pub fn is_launched(&self) -> bool {
        match self.origin {
            Origin::Launch(_) => true,
            Origin::Url(_) => false,
        }
    }

    /// It is to be launched from an image.
    pub fn is_in_container(&self) -> bool {
        match &self.origin {
            Origin::Launch(spec) => matches!(spec.launcher, Launcher::Docker(_)),
            Origin::Url(_) => false,
        }
    }

    /// The URLs among which requests are dealt out; none of one that is launched.
    pub fn endpoints(&self) -> Vec<String> {
        match &self.origin {
            Origin::Launch(_) => Vec::new(),
            Origin::Url(url) => std::iter::once(url).chain(&self.more_urls).cloned().collect(),
        }
    }
}

/// The model that a target serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// The name in outputs: the last part of the path or hub id, without `.gguf`.
    pub name: String,
    /// What the launch is given: a file, a directory or a hub id. For a running server the name it lists.
    pub source: String,
    /// Weights' precision as served: `BF16`, `Q4_1`, … `unknown` where it cannot be told.
    pub precision: String,
}

/// A shared setting that a target's own parameter overrides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotLevel {
    /// The shared setting: `context_length` or `max_batch`.
    pub setting: String,
    /// Its shared value.
    pub shared: String,
    /// The engine's parameter that overrides it, and its value: `max_model_len=2048`.
    pub own: String,
}

/// Launched by us, or already there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// To be launched and stopped.
    Launch(Box<LaunchSpec>),
    /// A server that already runs.
    Url(String),
}

/// Everything needed to start, prove and stop a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchSpec {
    /// As a process, or from an image.
    pub launcher: Launcher,
    /// Program and arguments, never a shell string. `{port}` stands for the port until the launch;
    /// values behind secret parameters stand as `{secret:NAME}` and are taken from the environment then.
    pub argv: Vec<String>,
    /// A port that was asked for, else a free one is chosen at the launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Environment to set beside the allow-list. Holds no secret: those are names in `env_from`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables handed through from our own environment, secrets among them: allow-list patterns
    /// (`CUDA_*`) and names.
    #[serde(default)]
    pub env_from: Vec<String>,
    /// Variables that are never handed through, whatever the allow-list says.
    #[serde(default)]
    pub env_clear: Vec<String>,
    /// Patterns of the engine's own variables (`VLLM_*`): those that are set here and were not handed on are named
    /// when a start fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_family: Vec<String>,
    /// Programs that are started before the server, in order, and stopped after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Helper>,
    /// The parameters with their values as launched, for the record.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// How readiness is proved.
    pub readiness: Readiness,
    /// How it is stopped.
    pub stop: Stop,
    /// Causes that the log may show, for a start that fails.
    #[serde(default)]
    pub failures: Vec<FailurePattern>,
    /// The install hint, shown with "not found".
    pub install_hint: String,
}

/// A program that a server needs beside it: a worker, a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Helper {
    /// Its name in logs and messages: `worker`.
    pub name: String,
    /// Program and arguments, as those of the server.
    pub argv: Vec<String>,
    /// Environment over the server's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// As a process, or from an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Launcher {
    /// `argv` is started as it is.
    Process,
    /// `docker run` with `argv` as the container's arguments.
    Docker(Docker),
}

/// How an image is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Docker {
    /// Image with its tag.
    pub image: String,
    /// Port inside the container, published on 127.0.0.1.
    pub container_port: u16,
    /// Host path → container path, read-only (the model).
    pub mounts: BTreeMap<PathBuf, String>,
    /// `--gpus` of `docker run`; none without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<String>,
    /// Further arguments of `docker run` that the engine needs: `--shm-size 1g`.
    #[serde(default)]
    pub run_args: Vec<String>,
}

/// How readiness is proved: process alive, then these paths, then the model listed, then one real token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// Health paths, best first: the next is asked only where one answers 404. 200 means ready.
    pub paths: Vec<String>,
    /// Path of the model list; none: the list proves nothing, and the first token alone counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_path: Option<String>,
    /// The name under which the list must show our model.
    pub listed_model: String,
}

/// How a server is stopped: connections are closed by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// Seconds between SIGTERM and SIGKILL of what is left.
    pub grace_s: f64,
    /// Seconds after the first SIGTERM at which a second one is sent; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_term_after_s: Option<f64>,
}

/// A cause that a log line shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailurePattern {
    /// Plain text that the log line contains, whatever its case.
    pub contains: String,
    /// What it means: `out of memory`.
    pub cause: String,
    /// What to do.
    pub hint: String,
}

/// How to talk to a server: which protocol, and what this engine knows of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capabilities {
    /// The value of `model` in each request.
    pub request_model: String,
    /// Takes `ignore_eos`.
    pub ignore_eos: bool,
    /// Takes `min_tokens`.
    pub min_tokens: bool,
    /// Takes `stream_options.include_usage`.
    pub stream_options: bool,
    /// Takes `stream_options.continuous_usage_stats`, exact tokens an event.
    pub continuous_usage: bool,
    /// `usage.completion_tokens` counts an end-of-sequence token that is not shown.
    pub eos_in_usage: bool,
    /// An OpenAI stream ends with `data: [DONE]`: one without it is whole too, with a caveat.
    pub done_marker: bool,
    /// Further body fields that force an answer's length, sent where that is asked for: `{"ignore_eos": true}`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub force_length: serde_json::Map<String, serde_json::Value>,
    /// Further body fields of every request, such as `cache_prompt: false`.
    #[serde(default)]
    pub body: serde_json::Map<String, serde_json::Value>,
    /// What the user changes of the bodies.
    #[serde(default, skip_serializing_if = "BodyFields::is_usual")]
    pub fields: BodyFields,
}

/// The field that holds the output limit, unless another is asked for.
const LIMIT_FIELD: &str = "max_tokens";

/// What is changed of the fields of every body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BodyFields {
    /// Name of the field with the output limit: `max_tokens`, `max_completion_tokens`.
    pub limit: String,
    /// Fields that are left out.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Further fields, merged into the body behind all others; an object into the object of that name.
    #[serde(default)]
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Nobody knows whether the server takes `ignore_eos`: it is sent where it is asked for, and no answer
    /// must have the full length.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub try_ignore_eos: bool,
}

impl Default for BodyFields {
    fn default() -> Self {
        BodyFields {
            limit: LIMIT_FIELD.to_owned(),
            omit: Vec::new(),
            extra: serde_json::Map::new(),
            try_ignore_eos: false,
        }
    }
}

impl BodyFields {
    fn is_usual(&self) -> bool {
        *self == BodyFields::default()
    }

    /// The field is left out.
    pub fn omits(&self, field: &str) -> bool {
        self.omit.iter().any(|omitted| omitted == field)
    }

    /// Bodies say how many tokens an answer may have.
    pub fn limits(&self) -> bool {
        !self.omits(&self.limit)
    }
}

/// Names on the server's own Prometheus page; empty lists where it has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ServerMetrics {
    /// Path of the metrics page; none: the engine has no such page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The port where the page lies if that is not the server's own; `{metrics_port}` until the launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Prompt tokens processed: the sum of these, each summed over its labels.
    #[serde(default)]
    pub prompt_tokens: Vec<String>,
    /// Tokens generated.
    #[serde(default)]
    pub generated_tokens: Vec<String>,
    /// Prompt tokens found in the prefix cache.
    #[serde(default)]
    pub cached_tokens: Vec<String>,
    /// Requests that the server works on: the first of these that the page shows.
    #[serde(default)]
    pub running: Vec<String>,
    /// Requests in its queue: the first of these that the page shows.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Used part of the KV cache, 0 to 1: the first of these that the page shows.
    #[serde(default)]
    pub kv_cache_use: Vec<String>,
    /// Tokens looked for in the prefix cache: the first of these that the page shows; none named: prompt tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_queries: Vec<String>,
    /// Times that a request lost its place in the batch: the first of these that the page shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preemptions: Vec<String>,
    /// Its own histograms, in s, or in ms where a name ends in `_milliseconds`: the first of each that the page shows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<ServerTime, Vec<String>>,
}

impl Capabilities {
    /// An answer's length can be forced.
    pub fn forces_length(&self) -> bool {
        self.ignore_eos || self.min_tokens || !self.force_length.is_empty()
    }
}

impl ServerMetrics {
    /// The page's address beside the server at `base_url`; none where the engine has no page, or its port is
    /// not known.
    pub fn address(&self, base_url: &str) -> Option<String> {
        let (path, base) = (self.path.as_ref()?, base_url.trim_end_matches('/'));
        let Some(port) = &self.port else { return Some(format!("{base}{path}")) };
        let port: u16 = port.parse().ok()?;
        let (scheme, rest) = base.split_once("://")?;
        let authority = rest.split('/').next()?;
        // An IPv6 address has colons of its own, in brackets.
        let host = match authority.rsplit_once(':') {
            Some((host, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some(_) | None => authority,
        };
        // Names and passwords inside an address are for that port alone.
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        Some(format!("{scheme}://{host}:{port}{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metrics_page_lies_beside_the_server_or_at_a_port_of_its_own() {
        let at = |port: Option<&str>, url: &str| {
            let (path, port) = (Some("/metrics".to_owned()), port.map(str::to_owned));
            ServerMetrics { path, port, ..ServerMetrics::default() }.address(url)
        };
        assert_eq!(at(None, "http://h:1/x/").as_deref(), Some("http://h:1/x/metrics"));
        assert_eq!(at(Some("8001"), "http://h:1/x").as_deref(), Some("http://h:8001/metrics"));
        assert_eq!(at(Some("8001"), "https://h").as_deref(), Some("https://h:8001/metrics"));
        assert_eq!(at(Some("8001"), "http://u:p@[::1]:80").as_deref(), Some("http://[::1]:8001/metrics"));
        assert_eq!(at(Some("8001"), "http://[::1]").as_deref(), Some("http://[::1]:8001/metrics"));
        assert_eq!(at(Some("{metrics_port}"), "http://h:1"), None, "not known before the launch");
        assert_eq!(ServerMetrics::default().address("http://h:1"), None);
    }
}
