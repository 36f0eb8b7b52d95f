//! What a GPU's sensors show.

use super::row::Series;
use crate::schema::sample::Source;

/// Share of the time in which any kernel ran.
pub const GPU_UTILISATION: &str = "gpu_utilisation";
/// Memory in use, without what the driver reserves.
pub const GPU_MEMORY_USED: &str = "gpu_memory_used_bytes";
/// Power now.
pub const GPU_POWER: &str = "gpu_power_w";
/// Power as the driver averages it.
pub const GPU_POWER_AVERAGE: &str = "gpu_power_average_w";
/// Energy since the driver was loaded.
pub const GPU_ENERGY: &str = "gpu_energy_j";
/// Age of that energy: how long ago its counter changed.
pub const GPU_ENERGY_AGE: &str = "gpu_energy_age_s";
/// Temperature of the chip.
pub const GPU_TEMPERATURE: &str = "gpu_temperature_c";
/// Clock of the multiprocessors.
pub const GPU_SM_CLOCK: &str = "gpu_sm_clock_mhz";
/// Clock of the memory.
pub const GPU_MEMORY_CLOCK: &str = "gpu_memory_clock_mhz";
/// Why the clocks are not higher, as the driver's bits.
pub const GPU_CLOCK_REASONS: &str = "gpu_clock_reasons";
/// Sent over PCIe by the GPU.
pub const GPU_PCIE_SENT: &str = "gpu_pcie_sent_bytes_s";
/// Received over PCIe by the GPU.
pub const GPU_PCIE_RECEIVED: &str = "gpu_pcie_received_bytes_s";
/// Sent over NVLink since the driver was loaded.
pub const GPU_NVLINK_SENT: &str = "gpu_nvlink_sent_bytes";
/// Received over NVLink since the driver was loaded.
pub const GPU_NVLINK_RECEIVED: &str = "gpu_nvlink_received_bytes";
/// Memory that the server's own processes hold.
pub const GPU_MEMORY_OF_SERVER: &str = "gpu_memory_of_server_bytes";
/// Memory that processes hold which are not the server's.
pub const GPU_MEMORY_OF_OTHERS: &str = "gpu_memory_of_others_bytes";

const fn gpu(name: &'static str, title: &'static str, unit: &'static str, about: &'static str) -> Series {
    Series { name, title, unit, source: Source::Gpu, about }
}

/// Its rows, one value each a GPU.
pub const SERIES: &[Series] = &[
    gpu(GPU_UTILISATION, "GPU util", "share", "share of the time in which any kernel ran, 0 to 1"),
    gpu(GPU_MEMORY_USED, "GPU memory", "bytes", "memory in use, without what the driver reserves"),
    gpu(GPU_POWER, "Power", "W", "power now"),
    gpu(
        GPU_POWER_AVERAGE,
        "Power, average",
        "W",
        "power as the driver averages it, over a second on some chips",
    ),
    gpu(GPU_ENERGY, "Energy", "J", "energy since the driver was loaded; it changes every 100 ms"),
    gpu(
        GPU_ENERGY_AGE,
        "Energy's age",
        "s",
        "how long ago the counter of energy changed, as far as was seen",
    ),
    gpu(GPU_TEMPERATURE, "Temperature", "°C", "temperature of the chip"),
    gpu(GPU_SM_CLOCK, "SM clock", "MHz", "clock of the multiprocessors"),
    gpu(GPU_MEMORY_CLOCK, "Memory clock", "MHz", "clock of the memory"),
    gpu(GPU_CLOCK_REASONS, "Clock reasons", "bits", "why the clocks are not higher, as the driver's bits"),
    gpu(GPU_PCIE_SENT, "PCIe sent", "bytes/s", "sent over PCIe by the GPU"),
    gpu(GPU_PCIE_RECEIVED, "PCIe received", "bytes/s", "received over PCIe by the GPU"),
    gpu(GPU_NVLINK_SENT, "NVLink sent", "bytes", "sent over NVLink since the driver was loaded"),
    gpu(GPU_NVLINK_RECEIVED, "NVLink received", "bytes", "received over NVLink since the driver was loaded"),
    gpu(GPU_MEMORY_OF_SERVER, "Server's GPU memory", "bytes", "memory that the server's own processes hold"),
    gpu(
        GPU_MEMORY_OF_OTHERS,
        "Others' GPU memory",
        "bytes",
        "memory that processes hold which are not the server's",
    ),
];
