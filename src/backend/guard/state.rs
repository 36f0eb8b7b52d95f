//! The state file: what a guard guards, for the next start, should harness and guard be killed together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::guard::protocol::Container;
use crate::backend::process::Process;

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
}

/// Where state files lie: `$XDG_STATE_HOME/harness/servers`, by default below `~/.local/state`.
pub fn state_directory() -> io::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set to an absolute path"))?;
    Ok(base.join("harness").join("servers"))
}

impl StateFile {
    /// Its path within the directory of state files.
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.json", self.guard.pid))
    }

    /// Writes the file in one step, so that no reader meets half of it.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let path = self.path(directory);
        let unfinished = path.with_extension("json.new");
        fs::write(&unfinished, serde_json::to_vec(self).map_err(io::Error::other)?)?;
        fs::rename(&unfinished, &path)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
    }
}
