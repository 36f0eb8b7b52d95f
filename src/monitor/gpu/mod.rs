//! GPUs: found, chosen and read, whichever library does it.

mod amd;
mod amd_json;
mod choice;
mod energy_age;
#[cfg(test)]
pub mod fake;
mod library;
mod nvml;
mod nvml_calls;
mod open;
mod pcie;
mod processes;
mod sensor;
mod smi;
mod smi_fields;
mod state;

pub use choice::Choice;
pub use library::{Absent, GpuLibrary, Opened, Pace};
pub use open::open;
pub use processes::is_family;
pub use sensor::Gpus;
pub use state::{GpuState, states};
