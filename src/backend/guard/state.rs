//! The state file: what a guard guards, for the next start, should harness and guard be killed together.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::guard::protocol::Container;
use crate::backend::process::Process;
use crate::directories::AtomicFile;

/// A longer file is none that a guard wrote, bytes.
const LARGEST: u64 = 1 << 20;

/// A guard, its harness and its servers. One file a guard: `<guard's pid>.<its start time>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// The boot within which the processes below mean anything.
    pub boot_id: String,
    /// The pid namespace within which they do: of a container that shares this home with us, say. None: ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
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

/// Why a state file tells us nothing.
#[derive(Debug)]
pub enum Unread {
    /// Another than we could have written or changed it, so that it is neither believed nor removed.
    NotOurs(String),
    /// Ours, and not of this form: half-written, or of another version.
    Broken,
}

impl StateFile {
    /// Its path within the directory of state files.
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.{}.json", self.guard.pid, self.guard.start_time))
    }

    /// Writes the file in one step, so that no reader meets half of it. Nobody else may read or write it.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut file = AtomicFile::create_private(&self.path(directory)).map_err(io::Error::other)?;
        serde_json::to_writer(&mut file, self)?;
        // It holds for this boot alone, and the guard must not wait for a disk.
        file.commit_until_restart().map_err(io::Error::other)
    }

    /// Reads a file that only we can have written: a regular file of this user, closed to all others, in a
    /// directory of this user where nobody else may put one.
    ///
    /// # Errors
    /// Why it tells nothing.
    pub fn read(path: &Path) -> Result<Self, Unread> {
        let text = read_private(path).map_err(|error| Unread::NotOurs(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|_| Unread::Broken)
    }
}

fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let me = rustix::process::geteuid().as_raw();
    let directory = fs::metadata(path.parent().unwrap_or(Path::new(".")))?;
    if directory.uid() != me || directory.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write into its directory"));
    }
    // Neither a link to somewhere else nor a pipe that never ends.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if data.uid() != me {
        return Err(io::Error::other("it belongs to another user"));
    }
    if data.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("others may use it (mode {:o})", data.mode() & 0o777)));
    }
    if data.nlink() > 1 {
        return Err(io::Error::other("it has a second name"));
    }
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than any that a guard writes"));
    }
    Ok(text)
}
