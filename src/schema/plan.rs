//! Everything that decides the outcome, resolved and validated: saved with the results.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client_threads::ClientThreads;
use super::conversations::{Conversations, TrafficSplit};
use super::fairness::FairnessMode;
use super::objective::{Objective, Search};
use super::reading::Reading;
pub use super::run_key::RunKey;
pub(super) use super::run_key::one;
use super::seeds::Seeds;
use super::sensing::Sensing;
use super::synthetic::Synthetic;
use super::target::{ProtocolName, Target};
use super::trace::TraceSource;
use super::traffic::{Traffic, Until, Warmup};
use super::wire::{BodyTemplate, ReplyFraming};

/// A resolved plan: no path is still to be looked up, no absent value means "default".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Names the run in every file: `compare_20260201_143000`.
    pub run_id: String,
    /// What made it, the first word of its run id: `compare`, `run`, `bench`, `sweep`, `calibrate`.
    pub title: String,
    /// When it was resolved.
    pub created_at: Timestamp,
    /// Servers in the order of play.
    pub targets: Vec<Target>,
    /// Backends of `--backend all` that are not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Where the prompts come from.
    pub dataset: DatasetSource,
    /// The loads, each a point of the comparison; a sweep has several.
    pub loads: Vec<LoadPoint>,
    /// How often every target is launched and measured, in alternating order.
    pub rounds: u32,
    /// How often each load is played within a launch.
    pub repeats: u32,
    /// The label that the others are held against; none: the best by output TPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Rounds are played until each pair is decided or within so many %, and `rounds` is the most; none: all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_sure_pct: Option<f64>,
    /// What is done where servers are not level.
    #[serde(default)]
    pub fairness: FairnessMode,
    /// What the user wants of a server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<Objective>,
    /// A search for the highest load of each target; `loads` grows by one with each of its runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// What the machine of a label costs an hour, in a currency that the user knows; labels without a price are left
    /// out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prices_per_hour: BTreeMap<String, f64>,
    /// Seed of arrival times.
    pub seed: u64,
    /// Seeds of requests and lengths.
    #[serde(default)]
    pub seeds: Seeds,
    /// Turns that follow each other.
    #[serde(default, skip_serializing_if = "Conversations::is_plain")]
    pub conversations: Conversations,
    /// Several models behind one URL; none: each target's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<TrafficSplit>,
    /// Threads of the load engine.
    pub client_threads: ClientThreads,
    /// Machines that play each load together, each its share. With more than one, request i of a closed loop goes to
    /// slot i mod C and slot s to machine s mod N, so that the order within a slot is the same on any number of them;
    /// one machine alone hands the next request to the first slot that is free. A cap is split, the remainder to the first.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub workers: u32,
    /// What each request asks for.
    pub sampling: Sampling,
    /// Where and how the requests go.
    pub http: HttpSettings,
    /// How servers are launched; none: they already run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launching: Option<Launching>,
    /// Seconds between two readings of the server's own page; 0: it is not read during a run.
    #[serde(default)]
    pub scrape_interval_s: f64,
    /// What is sensed of the machine meanwhile.
    #[serde(default)]
    pub sensing: Sensing,
    /// Where the results go.
    pub output: Output,
    /// A result that is not valid makes the exit code 1.
    pub strict: bool,
    /// Pretend engines stood in for the real ones: no number of the run says anything about them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// The command that made it, to be given again: flags of the environment and of a plan file are in it, secrets
    /// are not. Empty where no command line did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// Where the results of a plan go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Directory of all outputs.
    pub directory: PathBuf,
    /// The runs are put side by side in a directory of their own, `{directory}/{run_id}`.
    pub folder: bool,
    /// They are copied there too: `s3://…`, `gs://…`, `az://…` or `file:///…`, without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// What the names of a run's files begin with, before the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_prefix: Option<String>,
    /// The runs are written in another tool's form too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
    /// What the user wants to stand beside the figures; among the `dimensions` of [`Export::LpgJson`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
}

/// Another tool's form of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    /// That of Google's inference-benchmark, for its analyze.py.
    LpgJson,
}

impl Output {
    /// Into a directory, and nowhere else.
    pub fn of(directory: impl Into<PathBuf>, folder: bool) -> Output {
        let (directory, metadata) = (directory.into(), BTreeMap::new());
        Output { directory, folder, upload: None, file_prefix: None, export: None, metadata }
    }
}

/// A time as names hold it, UTC: `20260201_143000`.
pub fn file_stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%d_%H%M%S").to_string()
}

impl Plan {
    /// The beginning of its run id: its title, and whether it only pretends.
    pub fn run_name(&self) -> String {
        if self.simulated { format!("{}_simulated", self.title) } else { self.title.clone() }
    }

    /// The run id that its title and the time of its making give it.
    pub fn new_run_id(&self) -> String {
        format!("{}_{}", self.run_name(), file_stamp(self.created_at))
    }

    /// Some target is to be launched.
    pub fn launches(&self) -> bool {
        self.targets.iter().any(Target::is_launched)
    }

    /// The load of a point, which counts from 1.
    pub fn load(&self, point: u32) -> Option<&LoadPoint> {
        self.loads.get((point as usize).checked_sub(1)?)
    }

    /// Names of the prompts of all points, each once.
    pub fn dataset_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for point in (1..).take(self.loads.len()) {
            let name = self.dataset_name(Some(point));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Some load sends what the plan's dataset holds.
    pub fn sends_its_dataset(&self) -> bool {
        let own = |asks: &Asks| asks.dataset.is_some() || !asks.prompts.is_empty();
        self.loads.is_empty() || self.loads.iter().any(|load| !load.asks.as_ref().is_some_and(own))
    }

    /// Name of the prompts of a point: its scenario's, where the prompts are the scenario's own.
    pub fn dataset_name(&self, point: Option<u32>) -> &str {
        let load = point.and_then(|point| self.load(point));
        let own = load.and_then(|load| {
            let asks = load.asks.as_ref()?;
            match (&asks.dataset, asks.prompts.is_empty()) {
                (Some(dataset), _) => Some(dataset.name.as_str()),
                (None, false) => Some(load.name.as_deref().unwrap_or("its own")),
                (None, true) => None,
            }
        });
        own.unwrap_or(&self.dataset.name)
    }

    /// Whether a server has had a run's prompts before: 0 where it is the first time since its launch, else a number of
    /// that run's own. The same for every target, whichever of its runs were played.
    pub fn pass(&self, key: &RunKey) -> u64 {
        let place = |number: u32| u64::from(number.saturating_sub(1));
        let point = (1..key.point).filter(|point| self.own_prompts(*point) == self.own_prompts(key.point));
        let point = point.count() as u64;
        // A launch begins a round; a server that already runs stays.
        let round = if self.launches() { 0 } else { place(key.round) };
        if self.dataset.renewed { round << 44 | point << 22 | place(key.repeat) } else { 0 }
    }

    /// The seed of a run's arrival times: runs of a search with the same gaps would all err the same way.
    pub fn seed_of(&self, key: &RunKey) -> u64 {
        let own = if self.search.is_some() { u64::from(key.point) } else { 0 };
        self.seed.wrapping_add(own)
    }

    /// Prompts that a load has for itself; none where it sends the plan's.
    fn own_prompts(&self, point: u32) -> Option<(&[String], Option<&DatasetSource>)> {
        let asks = self.load(point)?.asks.as_ref()?;
        let has_own = asks.dataset.is_some() || !asks.prompts.is_empty();
        has_own.then_some((asks.prompts.as_slice(), asks.dataset.as_ref()))
    }

    /// How many prompts the load of a point has.
    pub fn prompts_of(&self, point: u32) -> u64 {
        let count = match self.own_prompts(point) {
            Some((_, Some(dataset))) => dataset.prompts,
            Some((prompts, None)) => prompts.len(),
            None => self.dataset.prompts,
        };
        count as u64
    }

    /// Runs that the whole plan has.
    pub fn run_count(&self) -> usize {
        self.targets.len() * self.loads.len() * self.rounds as usize * self.repeats as usize
    }

    /// Runs that it takes at most: more than [`Plan::run_count`] where a search adds loads.
    pub fn most_runs(&self) -> usize {
        match &self.search {
            Some(search) => self.targets.len() * search.most_runs() as usize,
            None => self.run_count(),
        }
    }

    /// The directory in which the runs are put side by side.
    pub fn folder(&self) -> Option<PathBuf> {
        self.output.folder.then(|| self.output.directory.join(&self.run_id))
    }
}

/// A backend that `all` leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Its label.
    pub label: String,
    /// Why: `not installed`.
    pub reason: String,
    /// What to do: `harness install vllm`.
    pub hint: String,
}

/// Where the prompts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetSource {
    /// Name in outputs: the file's stem.
    pub name: String,
    /// The file, or `built-in`.
    pub path: String,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
    /// Prompts in it.
    pub prompts: usize,
    /// Columns that say nothing to us.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<String>,
    /// How it was read, where it has another tool's form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// Prompts are made by this, and no file holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
    /// A prompt that a server has seen since its launch begins with words of its own when it comes again, so that no
    /// prefix cache answers for the engine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewed: bool,
    /// The file is a trace, which brings its times too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceSource>,
}

/// What the requests of one load ask, where that is not what the plan's ask.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Asks {
    /// Prompts of its own as they are sent, in order, and again from the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
    /// A file of prompts of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetSource>,
    /// Output limit of each of its requests, tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// One load: what traffic, until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadPoint {
    /// What the user calls it, where it has a name: a scenario's, which several loads may share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its requests ask; none: what the plan's do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Asks>,
    /// When requests start.
    pub traffic: Traffic,
    /// When it ends.
    pub until: Until,
    /// Sent before the window opens.
    pub warmup: Warmup,
    /// Seconds that requests in flight at the end may still take.
    pub drain_s: f64,
    /// Seconds that one whole request may take.
    pub timeout_s: f64,
}

impl LoadPoint {
    /// The most requests in flight; none: no limit.
    pub fn concurrency(&self) -> Option<u32> {
        self.traffic.concurrency()
    }

    /// Mean requests per second of an open loop; none for a closed one, and where all are due at once.
    pub fn rate(&self) -> Option<f64> {
        self.traffic.rate()
    }
}

/// What each request asks for. By default: greedy, the dataset's lengths, and no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Sampling {
    /// Temperature, always sent; 0 is greedy.
    pub temperature: f64,
    /// Overrides the dataset's lengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Ask for exactly `max_tokens` tokens, where the engine can.
    pub ignore_eos: bool,
    /// Ask for exact tokens an event, where the engine can.
    pub exact_itl: bool,
}

/// Where and how requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpSettings {
    /// How the server is spoken to.
    pub protocol: ProtocolName,
    /// By label, where it is another: the own protocol of each engine, at its own path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own_protocols: BTreeMap<String, ProtocolName>,
    /// Path below the server's URL; `{model}` in it stands for the target's.
    pub path: String,
    /// Answers come piece by piece; else whole, and nothing is known of when their tokens came.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub stream: bool,
    /// Bodies and answers of [`ProtocolName::Template`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<BodyTemplate>,
    /// A socket in the file system in place of the URL's host: arrivals then bear the stamps of the reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_socket: Option<PathBuf>,
    /// Further headers. Values of secret ones are not serialised.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Environment variable that holds the API key, sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// File that holds the API key, read anew for each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Certificate authorities to trust beside the system's, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Do not check certificates.
    pub insecure: bool,
    /// Requests go over HTTP/2, which leaves arrivals the stamps of the reads; else over HTTP/1.1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http2: bool,
}

impl HttpSettings {
    /// How the server of a label is spoken to.
    pub fn protocol_of(&self, label: &str) -> ProtocolName {
        self.own_protocols.get(label).copied().unwrap_or(self.protocol)
    }

    /// The endpoint in a few words: of each label where they differ.
    pub fn endpoint_words(&self) -> String {
        let own = self.own_protocols.iter().map(|(label, own)| format!(", {label} by {}", own.endpoint()));
        self.protocol.endpoint().to_owned() + &own.collect::<String>()
    }

    /// Answers come whole, so that nobody knows when their tokens came: they are asked so, or their template's are of
    /// that kind.
    pub fn comes_whole(&self) -> bool {
        let framing = self.template.as_ref().map(|template| template.framing);
        !self.stream || framing == Some(ReplyFraming::Whole)
    }
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// A request header. Its value may be a key, so it is never written anywhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// Name as typed.
    pub name: String,
    /// Value; empty in a plan that was read back.
    #[serde(skip)]
    pub value: String,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// How servers are launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Launching {
    /// Settings that all servers share.
    pub shared: SharedSettings,
    /// Seconds that a server may take to become ready.
    pub startup_timeout_s: f64,
}

/// Settings that each backend's file maps to its engine's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedSettings {
    /// Tokens of context that one request may use.
    pub context_length: u32,
    /// Requests that the server may batch.
    pub max_batch: u32,
    /// GPUs to use, as CUDA numbers them; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<String>,
}
