//! What is sensed while a run goes, on the run's clock, and the files that hold it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gpu::{GpusHead, OtherOnGpu};
use super::machine::{BusyProcess, MachineFacts};
use super::plan::RunKey;
use super::served::{Buckets, ServerTime};

/// What a sensor read at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When the sensor was asked, µs from the run's start; below 0 before it, while the server was launched.
    pub at_us: i64,
    /// How long the answer took, µs: the values are of some moment within it.
    pub took_us: u64,
    /// Which sensor.
    pub source: Source,
    /// Which of several devices, as its library numbers them; none where the sensor has but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u32>,
    /// Values by the names of [`super::series::all`]; what the sensor does not show is absent.
    pub values: BTreeMap<String, f64>,
    /// The server's own histograms. The longer a run goes on the fewer are their readings: no more than one in every
    /// hundredth of its time, and always the last one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<ServerTime, Buckets>,
}

impl Sample {
    /// When the answer was there, µs from the run's start.
    pub fn end_us(&self) -> i64 {
        self.at_us.saturating_add_unsigned(self.took_us)
    }

    /// The middle of the reading, seconds from the run's start.
    pub fn middle_s(&self) -> f64 {
        (self.at_us as f64 + self.took_us as f64 / 2.0) / 1e6
    }
}

/// A sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The server's own metrics page.
    Server,
    /// The GPUs that the server uses.
    Gpu,
    /// The server's processes.
    ServerProcesses,
    /// The harness's own process.
    Client,
    /// The whole machine.
    Host,
}

impl Source {
    /// As a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            Source::Server => "the server's metrics page",
            Source::Gpu => "the GPUs",
            Source::ServerProcesses => "the server's processes",
            Source::Client => "this program's process",
            Source::Host => "the machine",
        }
    }
}

/// First line of a samples file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplesHeader {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `samples`
    pub kind: String,
    /// Which run of the plan.
    #[serde(flatten)]
    pub key: RunKey,
    /// The plan's run id.
    pub run_id: String,
    /// Wall time of the run's start, µs 0 of the samples.
    pub started_at: Timestamp,
    /// Seconds between two readings, of a sensor that `intervals_s` does not name.
    pub interval_s: f64,
    /// Seconds between two readings of each sensor.
    #[serde(default)]
    pub intervals_s: BTreeMap<Source, f64>,
    /// The GPUs that are read; none where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpusHead>,
    /// The series that its sensors can show.
    pub series: Vec<SeriesHead>,
    /// What holds of the machine for the whole run; none where it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineFacts>,
}

/// A series as a samples file names it, for readers that do not know the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesHead {
    /// Key in the samples.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// What it is.
    pub about: String,
}

/// Last line of a samples file: its absence marks a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SamplesFooter {
    /// `end`
    pub kind: String,
    /// Samples above it.
    pub samples: u64,
    /// How each sensor did.
    pub sensors: Vec<SensorTally>,
    /// The busiest processes that were neither the server's nor ours, over the whole run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<BusyProcess>,
}

/// How a sensor did over a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SensorTally {
    /// Which.
    pub source: Source,
    /// Readings, of all its devices at once.
    pub samples: u64,
    /// Times that passed while an earlier reading still took: they were left out.
    pub skipped: u64,
    /// Readings that failed.
    pub failed: u64,
    /// Lines of its pages that could not be read.
    pub broken_lines: u64,
    /// What the first failure said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Processes that were seen on the GPUs and are not the server's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherOnGpu>,
}

/// One sensor's series, as a run's JSON holds them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SensedSeries {
    /// Seconds between two readings.
    pub interval_s: f64,
    /// Samples read.
    pub samples: u64,
    /// Times left out, because an earlier reading still took; none where a crash left no word of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// Readings that failed; none where a crash left no word of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// What went wrong first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// By the names of [`super::series::all`]: seconds from the run's start and value, thinned to a bound.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
}

impl SamplesHeader {
    /// Seconds between two readings of a sensor.
    pub fn interval_of(&self, source: Source) -> f64 {
        self.intervals_s.get(&source).copied().unwrap_or(self.interval_s)
    }
}

/// One GPU's series, as a run's JSON holds them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeviceSeries {
    /// The device's number, as its library counts.
    pub device: u32,
    /// What was sensed of it.
    #[serde(flatten)]
    pub sensed: SensedSeries,
}
