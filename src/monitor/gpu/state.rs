//! How the driver has NVIDIA's GPUs set up, beside what their sensors show.

use std::ffi::OsString;

use nvml_wrapper::Nvml;

use super::open::NVML_LIBRARY;

/// Settings of one GPU; what the driver does not tell is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GpuState {
    /// Number as NVML counts.
    pub index: u32,
    /// The driver stays loaded while nobody uses the GPU.
    pub persistent: Option<bool>,
    /// It is cut into MIG instances; none where it cannot be.
    pub mig: Option<bool>,
}

/// The settings of all GPUs that NVML shows; none of them without it.
pub fn states() -> Vec<GpuState> {
    let library: Option<OsString> = std::env::var_os(NVML_LIBRARY);
    let loaded = match &library {
        Some(path) => Nvml::builder().lib_path(path).init(),
        None => Nvml::init(),
    };
    let Ok(nvml) = loaded else { return Vec::new() };
    let state = |index| {
        let device = nvml.device_by_index(index).ok()?;
        let persistent = device.is_in_persistent_mode().ok();
        Some(GpuState { index, persistent, mig: device.mig_mode().ok().map(|mode| mode.current == 1) })
    };
    (0..nvml.device_count().unwrap_or(0)).filter_map(state).collect()
}
