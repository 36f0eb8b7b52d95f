//! GPUs: found, chosen and read, whichever library does it.

mod choice;
mod energy_age;
mod library;
mod nvml;
mod nvml_calls;
mod open;
mod pcie;
mod processes;
mod sensor;
mod smi;
mod smi_fields;

pub use choice::Choice;
pub use library::{Absent, GpuLibrary, Opened};
pub use open::open;
pub use sensor::Gpus;
