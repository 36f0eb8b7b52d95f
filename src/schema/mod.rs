//! The nouns: data that travels between stages, and the file formats made of it.
//! Nothing here computes a result, reads a file or looks at a clock, and nothing here imports a stage.

pub mod calibration;
pub mod caveat;
pub mod comparison;
pub mod environment;
pub mod figure;
pub mod files;
pub mod live;
pub mod plan;
pub mod record;
pub mod refusal;
pub mod summary;
pub mod target;
pub mod traffic;
pub mod unit;

/// Version of every JSON file that this program writes; raised when a reader would misread the new form.
pub const SCHEMA_VERSION: u32 = 1;
