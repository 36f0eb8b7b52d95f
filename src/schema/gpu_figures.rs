//! The figures of a run's GPUs that tables of runs have.

use super::gpu::{GpuSummary, Spread};
use super::series::gpu::{GPU_MEMORY_USED, GPU_POWER, GPU_POWER_AVERAGE, GPU_TEMPERATURE, GPU_UTILISATION};

impl GpuSummary {
    /// A sensor's spreads, of each GPU that has it.
    fn spreads(&self, name: &str) -> impl Iterator<Item = Spread> {
        self.devices.iter().filter_map(move |device| device.figures.get(name).copied())
    }

    /// The mean of a sensor over the window and the GPUs.
    pub fn mean(&self, name: &str) -> Option<f64> {
        let means: Vec<f64> = self.spreads(name).map(|spread| spread.mean).collect();
        (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64)
    }

    /// The highest value of a sensor on any GPU.
    pub fn max(&self, name: &str) -> Option<f64> {
        self.spreads(name).map(|spread| spread.max).reduce(f64::max)
    }

    /// The GPUs' values of a sensor together; none where one of them lacks it.
    fn sum(&self, name: &str, of: fn(&Spread) -> f64) -> Option<f64> {
        let sum = self.devices.iter().map(|device| device.figures.get(name).map(of)).sum::<Option<f64>>();
        sum.filter(|_| !self.devices.is_empty())
    }

    /// Mean and highest power of all GPUs together, W: now, or, where that is not sensed, as the driver averages it. The
    /// highest of each may lie at different times.
    pub fn power_w(&self) -> Option<(f64, f64)> {
        [GPU_POWER, GPU_POWER_AVERAGE]
            .into_iter()
            .find_map(|name| self.sum(name, |spread| spread.mean).zip(self.sum(name, |spread| spread.max)))
    }

    /// Mean and highest memory in use of all GPUs together, bytes.
    pub fn memory_bytes(&self) -> Option<(f64, f64)> {
        self.sum(GPU_MEMORY_USED, |spread| spread.mean).zip(self.sum(GPU_MEMORY_USED, |spread| spread.max))
    }
}

/// A figure of a run's GPUs, as tables of runs have it.
#[derive(Debug, Clone, Copy)]
pub struct GpuColumn {
    /// Its column.
    pub name: &'static str,
    /// As a person reads it; none where another row says it.
    pub title: Option<&'static str>,
    /// Its value.
    pub of: fn(&GpuSummary) -> Option<f64>,
}

const fn gpu(
    name: &'static str,
    title: Option<&'static str>,
    of: fn(&GpuSummary) -> Option<f64>,
) -> GpuColumn {
    GpuColumn { name, title, of }
}

/// The figures of a run's GPUs. Of several, utilisation and temperature are the mean of all and the highest of any, memory
/// and power are those of all together.
pub const GPU_COLUMNS: &[GpuColumn] = &[
    gpu("gpus", None, |gpu| Some(gpu.devices.len() as f64)),
    gpu("gpu_utilisation_pct_mean", Some("GPU util mean (%)"), |gpu| {
        gpu.mean(GPU_UTILISATION).map(|share| 100.0 * share)
    }),
    gpu("gpu_utilisation_pct_max", None, |gpu| gpu.max(GPU_UTILISATION).map(|share| 100.0 * share)),
    gpu("gpu_memory_bytes_mean", None, |gpu| Some(gpu.memory_bytes()?.0)),
    gpu("gpu_memory_bytes_max", None, |gpu| Some(gpu.memory_bytes()?.1)),
    gpu("gpu_power_w_mean", Some("GPU power mean (W)"), |gpu| Some(gpu.power_w()?.0)),
    gpu("gpu_power_w_max", Some("GPU power max (W)"), |gpu| Some(gpu.power_w()?.1)),
    gpu("gpu_temperature_c_mean", None, |gpu| gpu.mean(GPU_TEMPERATURE)),
    gpu("gpu_temperature_c_max", Some("GPU temperature max (°C)"), |gpu| gpu.max(GPU_TEMPERATURE)),
    gpu("gpu_energy_j", Some("GPU energy (J)"), |gpu| gpu.energy_j),
    gpu("gpu_memory_per_request_bytes", None, |gpu| gpu.memory_per_request_bytes),
];
