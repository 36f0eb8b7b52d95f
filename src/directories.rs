//! Where the harness keeps its own things, and the file that is whole or absent: written beside its place,
//! then renamed into it.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::schema::refusal::refusal;
use crate::schema::text::write_json_indented;

/// Engines, models and calibrations: `HARNESS_DATA_DIR`, else `$XDG_DATA_HOME/harness`, else
/// `~/.local/share/harness`.
///
/// # Errors
/// When no home directory is known.
pub fn data_dir() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("HARNESS_DATA_DIR")
        .or_else(|| variable("XDG_DATA_HOME").map(|home| home.join("harness")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/share/harness")))
        .ok_or_else(|| refusal("no data directory is known", "set HARNESS_DATA_DIR"))?;
    // Commands and environments of engines are text.
    if directory.to_str().is_none() {
        let what = format!("the name of the data directory {} is not UTF-8", directory.display());
        return Err(refusal(what, "set HARNESS_DATA_DIR to another"));
    }
    Ok(std::path::absolute(directory)?)
}

/// What a guard guards: `$XDG_STATE_HOME/harness/servers`, by default below `~/.local/state`.
///
/// # Errors
/// When neither variable holds an absolute path.
pub fn state_dir() -> io::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set to an absolute path"))?;
    Ok(base.join("harness").join("servers"))
}

/// Bytes of a file that are written together.
const BUFFER: usize = 64 << 10;

/// A file that appears under its name only when it is complete; dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Starts a file that is to appear at `path`, whose directory exists.
    ///
    /// # Errors
    /// The directory is missing or cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        // Results are for everyone whom the umask lets read; the crate's own default is 0600.
        AtomicFile::create_with(path, 0o666)
    }

    /// The same for a file that nobody else may read.
    ///
    /// # Errors
    /// As [`AtomicFile::create`]'s.
    pub fn create_private(path: &Path) -> Result<Self> {
        AtomicFile::create_with(path, 0o600)
    }

    fn create_with(path: &Path, mode: u32) -> Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".harness-")
            .suffix(".part")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(AtomicFile { path: path.to_owned(), file: BufWriter::with_capacity(BUFFER, file) })
    }

    /// The file once more, for who has the disk take up what was written so far while more is written.
    ///
    /// # Errors
    /// No file can be opened any more.
    pub fn handle(&self) -> io::Result<File> {
        self.file.get_ref().as_file().try_clone()
    }

    /// Waits until all that was written is on disk, so that [`AtomicFile::commit`] needs to wait no more.
    ///
    /// # Errors
    /// The rest cannot be written (disk full).
    pub fn settle(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().as_file().sync_all()
    }

    /// Puts the file in its place, over an older one.
    ///
    /// # Errors
    /// The rest cannot be written (disk full), or the file not renamed.
    pub fn commit(self) -> Result<()> {
        let AtomicFile { path, file } = self;
        let written = in_full(file).and_then(|file| file.as_file().sync_all().map(|()| file));
        let put = written.and_then(|file| Ok(file.persist(&path)?));
        put.map(drop).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The same without waiting for the disk: for what means nothing after a restart of the machine.
    ///
    /// # Errors
    /// As [`AtomicFile::commit`]'s.
    pub fn commit_until_restart(self) -> Result<()> {
        let AtomicFile { path, file } = self;
        let put = in_full(file).and_then(|file| Ok(file.persist(&path)?));
        put.map(drop).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The file with everything that was still in memory.
fn in_full(file: BufWriter<NamedTempFile>) -> io::Result<NamedTempFile> {
    file.into_inner().map_err(io::IntoInnerError::into_error)
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a whole file, atomically.
///
/// # Errors
/// As [`AtomicFile`]'s.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    file.commit()
}

/// Writes a value as indented JSON, atomically.
///
/// # Errors
/// As [`AtomicFile`]'s.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    write_json_indented(&mut file, value)
        .map_err(anyhow::Error::from)
        .and_then(|()| file.write_all(b"\n").map_err(anyhow::Error::from))
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.commit()
}

/// True where no further file can be written either: the disk or the quota is full, or the disk takes no writes.
pub fn is_disk_full(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        io.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
    };
    error.chain().filter_map(kind).any(|kind| {
        matches!(
            kind,
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge
                | io::ErrorKind::ReadOnlyFilesystem
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_absent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.json");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        assert!(!path.exists());
        file.commit_until_restart().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        write_json(&path, &[1]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[1]\n", "a list of numbers stands on one line");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = write_atomic(Path::new("/nonexistent/x"), b"").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x"), "{error}");
    }
}
