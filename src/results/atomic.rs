//! Files that are whole or absent: written beside their place, then renamed into it.

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tempfile::NamedTempFile;

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
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".harness-")
            .suffix(".part")
            // Results are for everyone whom the umask lets read; the crate's own default is 0600.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(AtomicFile { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Puts the file in its place, over an older one.
    ///
    /// # Errors
    /// The rest cannot be written (disk full), or the file not renamed.
    pub fn commit(self) -> Result<()> {
        let cannot_write = || format!("cannot write {}", self.path.display());
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.with_context(cannot_write)?;
        file.as_file().sync_all().with_context(cannot_write)?;
        file.persist(&self.path).with_context(cannot_write)?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
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
    serde_json::to_writer_pretty(&mut file, value)
        .map_err(anyhow::Error::from)
        .and_then(|()| file.write_all(b"\n").map_err(anyhow::Error::from))
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.commit()
}
