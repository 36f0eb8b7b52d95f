//! GPUs: what their sensors read at one time, and what a run made of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one GPU showed at one time. A sensor that it does not have is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpuReading {
    /// Number as its library counts (NVML, amd-smi), not as CUDA does.
    pub index: u32,
    /// Its name for good: `GPU-8a6c…`, `MIG-…`.
    pub uuid: String,
    /// `NVIDIA H200`
    pub name: String,
    /// Values by the names of [`super::series::gpu`], those of processes left out.
    pub values: BTreeMap<&'static str, f64>,
    /// Age of the energy counter's value when it was read, s; none where its last change was not seen.
    pub energy_age_s: Option<f64>,
    /// Memory in all, bytes.
    pub memory_bytes: Option<u64>,
    /// Limit of power, W.
    pub power_limit_w: Option<f64>,
    /// The reading before once more: its library read nothing since.
    pub is_repeated: bool,
    /// Processes that hold memory on it; none where the driver does not say (another PID namespace, no permission).
    pub processes: Option<Vec<GpuProcess>>,
}

/// A GPU, as a samples file names it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuHead {
    /// Number as its library counts.
    pub index: u32,
    /// Its name for good.
    pub uuid: String,
    /// `NVIDIA H200`
    pub name: String,
    /// Memory in all, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Limit of power, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<f64>,
}

/// The GPUs that are read while a run goes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpusHead {
    /// How: `nvml`, `nvidia-smi`, `amd-smi`, `rocm-smi`.
    pub read_by: String,
    /// Each of them.
    pub devices: Vec<GpuHead>,
}

/// A process that holds memory on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GpuProcess {
    /// Its id, as this process sees it.
    pub pid: u32,
    /// Its program's name; none where it cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Memory that it holds, bytes; none where the driver does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// A process that was seen on a GPU and is not the server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherOnGpu {
    /// Number of the GPU, as its library counts.
    pub device: u32,
    /// Who, with its memory when it was seen first.
    #[serde(flatten)]
    pub process: GpuProcess,
}

impl GpuProcess {
    /// `python3 (pid 4242, 4.1 GiB)`
    pub fn words(&self) -> String {
        let held = self.memory_bytes.map(|bytes| format!(", {}", gib(bytes))).unwrap_or_default();
        format!("{} (pid {}{held})", self.name.as_deref().unwrap_or("a program unseen"), self.pid)
    }
}

/// `4.1 GiB`
pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// The GPUs of a run: figures over the measured window, each device's and together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuSummary {
    /// How they were read: `nvml`, `nvidia-smi`, `amd-smi`, `rocm-smi`.
    pub read_by: String,
    /// Each of them.
    pub devices: Vec<GpuDevice>,
    /// Energy of all of them over the measured window, J; none where one of them does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_j: Option<f64>,
    /// The same from sampled instant power, J: the cross-check. None for windows below 2 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_integrated_j: Option<f64>,
    /// Energy of the window over the output tokens of completed requests, J.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_per_token_j: Option<f64>,
    /// Output tokens a joule: its inverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_j: Option<f64>,
    /// Power of all of them with the server loaded and waiting, before the load, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_loaded_w: Option<f64>,
    /// Power of all of them without the server, before its launch, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_machine_w: Option<f64>,
    /// Peak of memory in use above that of the loaded server before the load, over the most requests in flight, bytes.
    /// Engines that take their cache at the start show next to nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_per_request_bytes: Option<f64>,
}

/// One GPU over the measured window of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GpuDevice {
    /// Which it is.
    #[serde(flatten)]
    pub head: GpuHead,
    /// By the names of [`super::series::gpu`]: mean over time and the extremes. A sensor that it does not have is absent.
    pub figures: BTreeMap<String, Spread>,
    /// Energy over the measured window, J: the difference of the counter at its two ends, each moved to the window's end
    /// by the power there, as the counter changes every 100 ms only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_j: Option<f64>,
    /// Integral of instant power over the window, J.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_integrated_j: Option<f64>,
    /// Reasons for lower clocks that were seen in the window, in words, with the share of samples that showed them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clock_reasons: BTreeMap<String, f64>,
    /// Processes on it that are not the server's, seen before the load or at any time of the run, warm-up included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<GpuProcess>,
    /// The driver says whose memory it is: without `others` nobody else was there.
    #[serde(default)]
    pub others_known: bool,
    /// Clock of the multiprocessors, median over samples in which it was busy, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sm_clock_busy_mhz: Option<f64>,
    /// Share of the samples in which it was slowed down ([`super::clock_reason::is_throttled`]), 0 to 1; none where it
    /// does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_share: Option<f64>,
}

/// A sensor's values over a window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Mean over time.
    pub mean: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// Samples.
    pub samples: u64,
}
