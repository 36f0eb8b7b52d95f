//! The state file: what a guard guards, for the next start, should harness and guard be killed together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::guard::protocol::Container;
use crate::backend::process::Process;
use crate::directories::AtomicFile;

/// A guard, its harness and its servers. One file a guard: `<guard's pid>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// The boot within which the processes below mean anything.
    pub boot_id: String,
    /// The harness.
    pub harness: Process,
    /// The guard.
    pub guard: Process,
    /// The servers that were not yet seen to be gone.
    pub servers: Vec<KeptServer>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptServer {
    /// Its label.
    pub label: String,
    /// Its port.
    pub port: u16,
    /// Its processes: itself first, then all descendants that were seen.
    pub processes: Vec<Process>,
    /// Its container.
    pub container: Option<Container>,
    /// Its log, which may hold keys until it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}

impl StateFile {
    /// Its path within the directory of state files.
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.json", self.guard.pid))
    }

    /// Writes the file in one step, so that no reader meets half of it.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let mut file = AtomicFile::create(&self.path(directory)).map_err(io::Error::other)?;
        serde_json::to_writer(&mut file, self)?;
        // It holds for this boot alone, and the guard must not wait for a disk.
        file.commit_until_restart().map_err(io::Error::other)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
    }
}
