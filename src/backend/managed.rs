//! Environments of `harness install`: where they are, and the marker that one is complete. What makes them
//! (`install`) and what looks for them (`find`) share it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::directories::write_json;

/// Which kind of machine something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Without a GPU.
    Cpu,
    /// With one.
    Gpu,
}

impl Variant {
    /// `cpu`, `gpu`
    pub fn name(self) -> &'static str {
        match self {
            Variant::Cpu => "cpu",
            Variant::Gpu => "gpu",
        }
    }
}

/// Which of an engine's two environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Made from the published wheel or the source: the recipes `cpu` and `gpu`.
    Source,
    /// The recipe `prebuilt`.
    Prebuilt,
}

impl Build {
    /// `source` or `prebuilt`; anything else is none.
    pub fn named(text: &str) -> Option<Build> {
        match text {
            "source" => Some(Build::Source),
            "prebuilt" => Some(Build::Prebuilt),
            _ => None,
        }
    }

    /// `source` or `prebuilt`
    pub fn name(self) -> &'static str {
        match self {
            Build::Source => "source",
            Build::Prebuilt => "prebuilt",
        }
    }

    /// The environment's name below `engines`: both can be there.
    pub fn environment(self, engine: &str) -> String {
        match self {
            Build::Source => engine.to_owned(),
            Build::Prebuilt => format!("{engine}-prebuilt"),
        }
    }
}

/// Stands in an environment that is complete; without it the next installation begins anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The engine's version.
    pub version: String,
    /// For which kind of machine.
    pub variant: Variant,
    /// SHA-256 of the recipe: another recipe is another installation.
    pub recipe: String,
}

/// The environment of an engine that `harness install` made or would make.
pub fn managed_environment(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join("engines").join(name)
}

/// Where the marker of an environment stands.
pub fn marker_path(data_dir: &Path, name: &str) -> PathBuf {
    managed_environment(data_dir, name).join(".harness-complete.json")
}

/// The marker of a complete environment.
pub fn read_marker(data_dir: &Path, name: &str) -> Option<Marker> {
    serde_json::from_str(&std::fs::read_to_string(marker_path(data_dir, name)).ok()?).ok()
}

/// Marks an environment as complete.
///
/// # Errors
/// When the file cannot be written.
pub fn write_marker(data_dir: &Path, name: &str, marker: &Marker) -> Result<()> {
    write_json(&marker_path(data_dir, name), marker)
}
