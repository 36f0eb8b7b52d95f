//! This machine as the backends' files see it, and where its engines are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::backend::definition::Definition;
use crate::backend::find::{FindInput, Found, find};
use crate::backend::resolve::{Machine, named_build, named_program};
use crate::directories;
use crate::schema::environment::Environment;

/// The machine, with only the GPUs of `--gpus`, or else of our own `CUDA_VISIBLE_DEVICES`: an empty one
/// hides them all from the engines too.
pub fn machine(environment: &Environment, gpus: Option<&str>) -> Machine {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let chosen = gpus.or(visible.as_deref()).map_or(environment.gpus.len(), listed);
    Machine {
        gpus: chosen.min(environment.gpus.len()),
        cores: environment.cores,
        memory_bytes: environment.memory_bytes,
    }
}

/// GPUs in a list as CUDA reads it: `-1` ends it.
fn listed(list: &str) -> usize {
    list.split(',').map(str::trim).take_while(|id| !id.is_empty() && *id != "-1").count()
}

/// Finds engines below one data directory.
pub struct Finder {
    /// Where engines and models are installed.
    pub data_dir: PathBuf,
}

impl Finder {
    /// Looks where this process would look.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Finder { data_dir: directories::data_dir()? })
    }

    /// The engine of a definition, with the settings that may name its program.
    ///
    /// # Errors
    /// A build that is neither `prebuilt` nor `source`.
    pub fn find(
        &self,
        definition: &Definition,
        settings: &BTreeMap<String, String>,
    ) -> anyhow::Result<Option<Found>> {
        let input = FindInput {
            program: named_program(definition, settings),
            build: named_build(definition, settings)?,
            ..FindInput::from_environment(&self.data_dir)
        };
        Ok(find(definition, &input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_gpus_is_counted_as_cuda_does() {
        assert_eq!(["0", "0,1", "", "-1", "0,-1,1", "GPU-8f6a"].map(listed), [1, 2, 0, 0, 1, 1]);
    }
}
