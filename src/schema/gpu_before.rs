//! What the GPUs showed around a server's launch, before the load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gpu::GpuProcess;

/// When a run's server was launched, on the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchTimes {
    /// It was started, µs from the run's start: below 0.
    pub started_us: i64,
    /// It gave its first token, µs from the run's start: below 0.
    pub ready_us: i64,
}

/// The GPUs that a server was given, before its load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuBefore {
    /// How they were read: `nvml`, `nvidia-smi`, …
    pub read_by: String,
    /// Those that the server was to use.
    pub gpus: Vec<GpuStanding>,
    /// GPUs on which the server's processes held memory once it was ready; none where the driver does not say whose
    /// memory it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Vec<GpuName>>,
}

/// Which GPU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuName {
    /// Number as its library counts.
    pub index: u32,
    /// Its name for good.
    pub uuid: String,
    /// `NVIDIA H200`
    pub name: String,
}

impl GpuName {
    /// `GPU 0 (NVIDIA H200)`
    pub fn words(&self) -> String {
        format!("GPU {} ({})", self.index, self.name)
    }
}

/// One GPU before the load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuStanding {
    /// Which.
    #[serde(flatten)]
    pub gpu: GpuName,
    /// Before the plan's first launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<GpuIdle>,
    /// With the server loaded and waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<GpuIdle>,
    /// Processes on it that are not the server's, once the server was ready; none where the driver does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Vec<GpuProcess>>,
    /// Memory that was not given back before the launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldMemory>,
}

/// What a GPU showed over a time in which it had nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuIdle {
    /// Mean power, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    /// Memory in use at the end, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Readings.
    pub readings: u32,
    /// From the first of them to the last, s.
    pub seconds: f64,
}

/// Memory of a GPU that is in use above what was before the plan's first launch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeldMemory {
    /// How much above, bytes.
    pub above_bytes: u64,
    /// Waited for it so long, s.
    pub waited_s: f64,
    /// Who holds memory on it, the most first; empty where the driver does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<GpuProcess>,
}
