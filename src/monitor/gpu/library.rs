//! What every library that reads GPUs does.

use std::fmt::Debug;
use std::time::Duration;

use crate::schema::gpu::{GpuHead, GpuReading};

/// Between two readings of what changes slowly, as memory, clocks and temperature do, while a load is played.
const WHOLE_EVERY: Duration = Duration::from_secs(1);

/// Between two readings of counters while a load is played: on an H200 that of energy takes 4 ms of CPU time to read and those
/// of PCIe 0.5 ms each, where all else takes 0.1. The power that is read in between tells the energy at any moment.
const COUNTERS_EVERY: Duration = Duration::from_secs(5);

/// How often GPUs are read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two readings, of utilisation and power at least.
    pub interval: Duration,
    /// Between two that tell the counters too (energy, PCIe, NVLink), where these cost a call.
    pub counters_every: Duration,
    /// Between two that tell all that there is, where the parts of a reading cost a call each.
    pub whole_every: Duration,
}

impl Pace {
    /// Beside a load, which they must not disturb.
    pub fn of_load(interval: Duration) -> Pace {
        Pace { interval, counters_every: COUNTERS_EVERY, whole_every: WHOLE_EVERY }
    }

    /// Where nothing is measured: each reading tells all.
    pub fn whole(interval: Duration) -> Pace {
        Pace { interval, counters_every: Duration::ZERO, whole_every: Duration::ZERO }
    }
}

/// A library that reads GPUs. Its calls may block for some milliseconds.
pub trait GpuLibrary: Debug + Send {
    /// `nvml`, `nvidia-smi`, …
    fn name(&self) -> &'static str;

    /// The chosen GPUs, in the order in which they were chosen.
    fn gpus(&self) -> Vec<GpuHead>;

    /// Reads the chosen GPUs, in the order in which they were chosen. One that vanished is left out. The first reading
    /// tells all that there is.
    ///
    /// # Errors
    /// None of them can be read any more.
    fn read(&mut self) -> anyhow::Result<Vec<GpuReading>>;
}

/// A library that reads at least one GPU.
#[derive(Debug)]
pub struct Opened {
    /// It.
    pub library: Box<dyn GpuLibrary>,
    /// What a reader of its figures must know: whether these are surely the right GPUs, what they do not show.
    pub notes: Vec<String>,
}

/// No GPU is read, which is a normal case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Absent(pub String);
