//! GPUs: found, chosen and read, whichever library does it.

#[cfg(test)]
pub mod fake;

use std::fmt::Debug;

use crate::schema::gpu::GpuReading;

/// A library that reads GPUs. Its calls may block for some milliseconds.
pub trait GpuLibrary: Debug + Send {
    /// `nvml`, `nvidia-smi`, …
    fn name(&self) -> &'static str;

    /// Reads the chosen GPUs, in the order in which they were chosen. One that vanished is left out.
    ///
    /// # Errors
    /// None of them can be read any more.
    fn read(&mut self) -> anyhow::Result<Vec<GpuReading>>;
}
