//! The library that reads the GPUs of this machine: the first that can.

use std::ffi::OsString;
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;

use super::choice::Choice;
use super::library::{Absent, Opened};
use super::nvml::NvmlLibrary;
use super::nvml_calls::RealCalls;

/// Path of another NVML than the driver's, for tests.
const NVML_LIBRARY: &str = "HARNESS_NVML_LIBRARY";

/// Opens the library that reads the chosen GPUs. It takes some tens of milliseconds and blocks.
///
/// # Errors
/// There is none to read, and why: a normal case.
pub fn open(choice: &Choice) -> Result<Opened, Absent> {
    if choice.is_nothing() {
        return Err(Absent("the server does not run on a GPU of this machine".into()));
    }
    let library: Option<OsString> = std::env::var_os(NVML_LIBRARY);
    let calls = RealCalls::load(library.as_deref()).map_err(|error| Absent(why(&error)))?;
    let (library, notes) = NvmlLibrary::new(Arc::new(calls), choice)?;
    Ok(Opened { library: Box::new(library), notes })
}

/// In words.
fn why(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) => "no NVIDIA driver is installed".into(),
        NvmlError::NoPermission => "NVML gives no permission to read the GPUs".into(),
        error => format!("NVML: {error}"),
    }
}
