//! What the machine did during a run: the server's processes, the harness itself, and whoever else was busy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine over a run's measured window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MachineSummary {
    /// What held for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<MachineFacts>,
    /// The server's processes; none where they cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ProcessFigures>,
    /// This program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ProcessFigures>,
    /// All of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostFigures>,
    /// The busiest processes that were neither the server's nor ours, over the whole run, warm-up included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<BusyProcess>,
}

/// What held of the machine when a run began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MachineFacts {
    /// Logical cores of the machine, also those that a container may not use.
    pub cores: usize,
    /// Memory, or the container's limit where that is less, bytes.
    pub memory_bytes: u64,
    /// Cores by the container's CPU quota; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// The CPU's governors, each once; empty where the machine has none.
    #[serde(default)]
    pub governors: Vec<String>,
    /// Swap, bytes.
    pub swap_total_bytes: u64,
    /// Of it used, bytes.
    pub swap_used_bytes: u64,
    /// The load average over a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_1m: Option<f64>,
}

/// What a program's processes used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProcessFigures {
    /// CPU time in the window, core-seconds.
    pub cpu_s: f64,
    /// The same over the window's length: cores busy on the mean.
    pub cores_mean: f64,
    /// Most resident memory, bytes; pages that several processes share count for each.
    pub resident_max_bytes: f64,
    /// Most threads.
    pub threads_max: f64,
    /// Most processes; none of the harness, which is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes_max: Option<f64>,
}

/// What the whole machine did in the window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HostFigures {
    /// Busy cores.
    pub busy_cores: MeanAndMax,
    /// Cores that the hypervisor gave to others.
    pub steal_cores: MeanAndMax,
    /// Cores kept busy by processes that were neither the server's nor ours; none where the server cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_busy_cores: Option<MeanAndMax>,
    /// Read from swap and written to it, bytes a second.
    pub swapped_bytes_s: MeanAndMax,
    /// Least memory that programs could still have, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_min_bytes: Option<f64>,
    /// The CPU's clock, mean over cores and readings, MHz; none where it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_clock_mhz: Option<f64>,
    /// By how much the clock fell from the first third of the window to the last while as many cores were busy, %; none
    /// where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_clock_fell_pct: Option<f64>,
    /// Time that the container's CPU quota kept cores from it in the window, core-seconds; none without a quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_s: Option<f64>,
}

/// Mean and maximum over readings.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MeanAndMax {
    /// Mean.
    pub mean: f64,
    /// Maximum.
    pub max: f64,
}

/// Processes of one name that were busy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BusyProcess {
    /// The name that the kernel has of them.
    pub name: String,
    /// How many processes.
    pub processes: u32,
    /// Cores that they kept busy on the mean.
    pub cores: f64,
}

/// A figure of the machine that outputs list.
#[derive(Debug, Clone, Copy)]
pub struct MachineFigure {
    /// Name of its CSV column.
    pub name: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// How a person reads it.
    pub unit: MachineUnit,
    /// Its value; none where it was not sensed.
    pub of: fn(&MachineSummary) -> Option<f64>,
}

/// What a figure of the machine counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineUnit {
    /// Cores.
    Cores,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
}

const fn figure(
    name: &'static str,
    title: &'static str,
    unit: MachineUnit,
    of: fn(&MachineSummary) -> Option<f64>,
) -> MachineFigure {
    MachineFigure { name, title, unit, of }
}

/// The machine's figures in the order of CSV columns and of the report's rows.
pub const MACHINE: &[MachineFigure] = &[
    figure("server_cpu_cores_mean", "Server's cores, mean", MachineUnit::Cores, |machine| {
        machine.server.map(|server| server.cores_mean)
    }),
    figure("server_rss_max_bytes", "Server's memory, max", MachineUnit::Bytes, |machine| {
        machine.server.map(|server| server.resident_max_bytes)
    }),
    figure("client_rss_max_bytes", "Client's memory, max", MachineUnit::Bytes, |machine| {
        machine.client.map(|client| client.resident_max_bytes)
    }),
    figure("host_busy_cores_mean", "Busy cores, mean", MachineUnit::Cores, |machine| {
        machine.host.map(|host| host.busy_cores.mean)
    }),
    figure("host_others_busy_cores_mean", "Others' cores, mean", MachineUnit::Cores, |machine| {
        machine.host?.others_busy_cores.map(|others| others.mean)
    }),
    figure("host_steal_cores_max", "Stolen cores, max", MachineUnit::Cores, |machine| {
        machine.host.map(|host| host.steal_cores.max)
    }),
    figure("host_swapped_bytes_s_mean", "Swapping, mean", MachineUnit::BytesPerSecond, |machine| {
        machine.host.map(|host| host.swapped_bytes_s.mean)
    }),
];
