//! What every library that reads GPUs does.

use std::fmt::Debug;

use crate::schema::gpu::{GpuHead, GpuReading};

/// A library that reads GPUs. Its calls may block for some milliseconds.
pub trait GpuLibrary: Debug + Send {
    /// `nvml`, `nvidia-smi`, …
    fn name(&self) -> &'static str;

    /// The chosen GPUs, in the order in which they were chosen.
    fn gpus(&self) -> Vec<GpuHead>;

    /// Reads the chosen GPUs, in the order in which they were chosen. One that vanished is left out.
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
