//! Proves, before anything is launched, that results can be written.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Result;

use crate::schema::refusal::{OrRefuse, refuse};

/// What the probe writes, bytes: a disk that is full takes a name, but no bytes.
const PROBE_BYTES: usize = 64 << 10;
/// With less room than this a run is likely to fill the disk, bytes.
const LITTLE_ROOM: u64 = 64 << 20;

/// Proves that a directory takes files and that its file of all runs can be appended to; makes the directory.
/// What to warn of, if anything: little room.
///
/// # Errors
/// Names the directory or the file, and the cure.
pub fn check_writable(directory: &Path, summary: &str) -> Result<Option<String>> {
    check_directory(directory)?;
    check_summary(&directory.join(summary))?;
    let Ok(disk) = rustix::fs::statvfs(directory) else { return Ok(None) };
    Ok(little_room(directory, disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks))
}

/// Proves that a directory takes files; makes it.
///
/// # Errors
/// Names the directory and the cure.
pub fn check_directory(directory: &Path) -> Result<()> {
    let probe = || {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&[0; PROBE_BYTES])
    };
    // The probe's own name says nothing.
    let probed = probe().map_err(|error| std::io::Error::from(error.kind()));
    probed.or_refuse(
        || format!("cannot write results to {}", directory.display()),
        "choose a directory that you may write, on a disk with room, with --output DIR",
    )
}

/// The file of all runs is not there, or can be appended to.
fn check_summary(path: &Path) -> Result<()> {
    let cure = "move it away, or choose another directory with --output DIR";
    let what = || format!("cannot append to {}", path.display());
    match std::fs::metadata(path) {
        Ok(is) if !is.is_file() => refuse(format!("{}: it is no regular file", what()), cure),
        Ok(_) => OpenOptions::new().read(true).append(true).open(path).map(drop).or_refuse(what, cure),
        Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::symlink_metadata(path) {
            Ok(_) => refuse(format!("{}: it is a link to a file that is not there", what()), cure),
            Err(_) => Ok(()),
        },
        Err(error) => Err(error).or_refuse(what, cure),
    }
}

/// A file system that does not tell its size has no blocks at all.
fn little_room(directory: &Path, free_bytes: u64, blocks: u64) -> Option<String> {
    (blocks > 0 && free_bytes < LITTLE_ROOM).then(|| {
        format!(
            "warning: the disk of {} has {} MiB left, and a run ends when it is full",
            directory.display(),
            free_bytes >> 20
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_warned_of_where_the_disk_tells_its_size() {
        let said = |free_mib: u64, blocks| little_room(Path::new("results"), free_mib << 20, blocks);
        assert!(said(7, 100).is_some_and(|text| text.contains("results has 7 MiB left")));
        assert_eq!((said(64, 100), said(0, 0)), (None, None));
    }
}
