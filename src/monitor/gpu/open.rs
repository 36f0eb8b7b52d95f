//! The library that reads the GPUs of this machine: the first that can.

use std::ffi::OsString;
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;

use super::amd::AmdLibrary;
use super::choice::Choice;
use super::library::{Absent, GpuLibrary, Opened, Pace};
use super::nvml::NvmlLibrary;
use super::nvml_calls::RealCalls;
use super::smi::SmiLibrary;

/// Path of another NVML than the driver's, for tests.
pub(super) const NVML_LIBRARY: &str = "HARNESS_NVML_LIBRARY";

/// Opens the library that reads the chosen GPUs, to be read at this pace. It takes some tens of milliseconds, and
/// blocks.
///
/// # Errors
/// There is none to read, and why: a normal case.
pub fn open(choice: &Choice, pace: Pace) -> Result<Opened, Absent> {
    if choice.is_nothing() {
        return Err(Absent("the server does not run on a GPU of this machine".into()));
    }
    let library: Option<OsString> = std::env::var_os(NVML_LIBRARY);
    let nvml = RealCalls::load(library.as_deref()).map_err(|error| Absent(why(&error)));
    let nvidia = nvml.and_then(|calls| NvmlLibrary::new(Arc::new(calls), choice, pace).map(boxed));
    let absent = match nvidia {
        Ok(opened) => return Ok(opened),
        Err(absent) => absent,
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A program that is not there has nothing to say.
    let smi = SmiLibrary::open(&path, choice, pace.interval).map(|found| found.map(boxed));
    let amd = || AmdLibrary::open(&path, choice, pace.interval).map(|found| found.map(boxed));
    match smi {
        Some(Ok(opened)) => Ok(opened),
        Some(Err(absent)) => amd().unwrap_or(Err(absent)),
        None => amd().unwrap_or(Err(absent)),
    }
}

fn boxed<L: GpuLibrary + 'static>((library, notes): (L, Vec<String>)) -> Opened {
    Opened { library: Box::new(library), notes }
}

/// In words.
fn why(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) => "no NVIDIA driver is installed".into(),
        NvmlError::NoPermission => "NVML gives no permission to read the GPUs".into(),
        error => format!("NVML: {error}"),
    }
}
