//! This machine as the backends' files see it, and where its engines are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::backend::definition::Definition;
use crate::backend::find::{FindInput, Found, find};
use crate::backend::install;
use crate::backend::resolve::{Machine, named_program};
use crate::schema::environment::Environment;

/// The machine, with only the GPUs of `--gpus`.
pub fn machine(environment: &Environment, gpus: Option<&str>) -> Machine {
    let chosen = gpus
        .map_or(environment.gpus.len(), |list| list.split(',').filter(|id| !id.trim().is_empty()).count());
    Machine {
        gpus: chosen.min(environment.gpus.len()),
        cores: environment.cores,
        memory_bytes: environment.memory_bytes,
    }
}

/// Finds engines below one data directory.
pub struct Finder {
    /// Where engines and models are installed.
    pub data_dir: PathBuf,
}

impl Finder {
    /// Looks where this process would look.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Finder { data_dir: install::data_dir()? })
    }

    /// The engine of a definition, with the settings that may name its program.
    pub fn find(&self, definition: &Definition, settings: &BTreeMap<String, String>) -> Option<Found> {
        let input = FindInput {
            program: named_program(definition, settings),
            ..FindInput::from_environment(&self.data_dir)
        };
        find(definition, &input)
    }
}
