//! The files that hold a run or a comparison whole, and the first and last line of a run's raw records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::curves::RunCurves;
use super::environment::Environment;
use super::fairness::ProbeReply;
use super::gpu_before::{GpuBefore, LaunchTimes};
use super::phases::Phases;
use super::plan::{LoadPoint, Plan, RunKey};
use super::record::LateAck;
use super::sample::{DeviceSeries, SensedSeries};
use super::summary::RunSummary;
use super::workers::{ClockMap, WorkerPart, WorkerStats};

/// `{backend}_{YYYYMMDD_HHMMSS}.json`: one run, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFile {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `run`
    pub kind: String,
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// The result.
    pub summary: RunSummary,
    /// The command as launched, with its port; no secret in it. Empty for a running server.
    #[serde(default)]
    pub launched: Vec<String>,
    /// What the server's own page showed while the run went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<SensedSeries>,
    /// What its GPUs showed, one each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<DeviceSeries>,
    /// What the server's processes used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_processes: Option<SensedSeries>,
    /// What this program used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<SensedSeries>,
    /// What the machine did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<SensedSeries>,
    /// When launch, warm-up, measured window and drain were; none where a crash left no word of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// What charts are drawn from.
    #[serde(default, skip_serializing_if = "RunCurves::is_empty")]
    pub curves: RunCurves,
}

/// `comparison.json`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonFile {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `comparison`
    pub kind: String,
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// The result.
    pub comparison: Comparison,
}

/// First line of a records file: what `harness report` needs to rebuild everything else after a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordsHeader {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `records`
    pub kind: String,
    /// The plan.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// Which run of the plan.
    #[serde(flatten)]
    pub key: RunKey,
    /// The engine's version, as found or as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// Wall time of the run's start, µs 0 of the stamps.
    pub started_at: jiff::Timestamp,
    /// CLOCK_MONOTONIC at µs 0 of the stamps, ns: pairs them with those of a server on the same machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic_zero_ns: Option<u64>,
    /// Seconds from launch to readiness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<f64>,
    /// The command as launched.
    #[serde(default)]
    pub launched: Vec<String>,
    /// What came of acknowledging the probes' answers late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_acks: Vec<LateAck>,
    /// What the server made of the probe set before the load; empty where none was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeReply>,
    /// When the server was launched; none of a server that already ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchTimes>,
    /// What its GPUs showed before the load; none where none was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_before: Option<GpuBefore>,
    /// Which of several workers wrote it; none where one machine played all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerPart>,
}

impl RecordsHeader {
    /// The load that the run plays.
    pub fn load(&self) -> Option<&LoadPoint> {
        self.plan.load(self.key.point)
    }
}

/// Last line of a records file, written when the run is over: its absence marks a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordsFooter {
    /// `end`
    pub kind: String,
    /// Set when the run did not reach its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Records above it.
    pub records: u64,
    /// The load engine's own figures.
    pub engine: EngineFigures,
    /// What the server counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<super::summary::ServerCounts>,
    /// How the stamps of a worker are brought onto the clock of worker 0; none where one machine played all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockMap>,
    /// What each worker did, where the records are those of several, merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerStats>,
}

/// What the load engine says of itself at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EngineFigures {
    /// Start of the measured phase, µs from the run's start.
    pub measured_from_us: u64,
    /// End of the measured phase (last record's end), µs from the run's start.
    pub measured_to_us: u64,
    /// End of the ramp of a closed loop, µs from the run's start.
    pub ramp_to_us: u64,
    /// When no more requests were issued: the drain begins, µs from the run's start.
    pub issue_end_us: u64,
    /// Measured requests issued, by the load engine's own count; none where a crash left no word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<u64>,
    /// CPU seconds of the load threads, and of the pacer's, in the measured phase.
    pub cpu_s: f64,
    /// CPU time over wall time of the busiest load thread while requests were issued, 0 to 1; 0 where that
    /// was too short to tell, or in a file of before it was kept.
    #[serde(default)]
    pub busy_share: f64,
    /// Load threads.
    pub threads: u32,
}
