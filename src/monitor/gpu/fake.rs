//! A library of GPUs for tests: it reads what its script says.

use std::collections::{BTreeMap, VecDeque};

use super::GpuLibrary;
use crate::schema::gpu::{GpuHead, GpuProcess, GpuReading};
use crate::schema::series::gpu::{GPU_MEMORY_USED, GPU_POWER};

/// Bytes of a GiB.
pub const GIB: u64 = 1 << 30;

/// Reads its steps in turn, and the last one for ever.
#[derive(Debug)]
pub struct FakeGpus {
    steps: VecDeque<Result<Vec<GpuReading>, String>>,
}

impl FakeGpus {
    /// Each step is what one reading shows, or why it fails.
    pub fn scripted(steps: impl IntoIterator<Item = Result<Vec<GpuReading>, String>>) -> FakeGpus {
        FakeGpus { steps: steps.into_iter().collect() }
    }
}

impl GpuLibrary for FakeGpus {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn gpus(&self) -> Vec<GpuHead> {
        let head = |reading: &GpuReading| GpuHead {
            index: reading.index,
            uuid: reading.uuid.clone(),
            name: reading.name.clone(),
            memory_bytes: reading.memory_bytes,
            power_limit_w: reading.power_limit_w,
        };
        self.steps.front().into_iter().flatten().flatten().map(head).collect()
    }

    fn read(&mut self) -> anyhow::Result<Vec<GpuReading>> {
        let next = if self.steps.len() > 1 { self.steps.pop_front() } else { self.steps.front().cloned() };
        next.unwrap_or_else(|| Ok(Vec::new())).map_err(anyhow::Error::msg)
    }
}

/// A reading of one GPU of 80 GiB: its power, W, and memory in use, GiB.
pub fn gpu(index: u32, power_w: f64, used_gib: f64) -> GpuReading {
    GpuReading {
        index,
        uuid: format!("GPU-{index}"),
        name: "NVIDIA H200".to_owned(),
        values: BTreeMap::from([(GPU_POWER, power_w), (GPU_MEMORY_USED, used_gib * GIB as f64)]),
        memory_bytes: Some(80 * GIB),
        processes: Some(Vec::new()),
        ..GpuReading::default()
    }
}

/// The same reading with a process that holds so much memory, GiB.
pub fn held_by(reading: GpuReading, pid: u32, name: &str, gib: f64) -> GpuReading {
    let mut processes = reading.processes.unwrap_or_default();
    let memory_bytes = Some((gib * GIB as f64) as u64);
    processes.push(GpuProcess { pid, name: Some(name.to_owned()), memory_bytes });
    GpuReading { processes: Some(processes), ..reading }
}
