//! The machine that a result was taken on.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calibration::ExactUpTo;

/// The machine, as looked at once at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// When it was looked at.
    pub taken_at: Timestamp,
    /// This program's version.
    pub harness_version: String,
    /// Operating system and kernel: `Linux 6.1.0 x86_64`.
    pub os: String,
    /// Host name.
    pub hostname: String,
    /// Processor's name.
    pub cpu: String,
    /// Logical cores that this process may use: a container's CPU quota and set of cores count, a part of a core cut off.
    pub cores: usize,
    /// Memory that this process may use, bytes: a container's limit counts.
    pub memory_bytes: u64,
    /// What a container may use of its machine; none where no control group limits this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ContainerLimits>,
    /// Soft and hard limit of open files, after the soft one was raised.
    pub open_files: (u64, u64),
    /// NVIDIA driver, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// GPUs that NVML shows.
    #[serde(default)]
    pub gpus: Vec<Gpu>,
    /// Up to where `harness calibrate` found this client exact on this machine; none: never calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_up_to: Option<ExactUpTo>,
}

/// What a container (a control group) may use of its machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerLimits {
    /// Logical cores of the machine.
    pub host_cores: usize,
    /// Memory of the machine, bytes.
    pub host_memory_bytes: u64,
    /// Cores by the tightest CPU quota, `0.5` for half of one; none where none binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// Bytes by the tightest memory limit; none where none binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// Number as NVML counts.
    pub index: u32,
    /// `NVIDIA H200`
    pub name: String,
    /// Memory, bytes.
    pub memory_bytes: u64,
}
