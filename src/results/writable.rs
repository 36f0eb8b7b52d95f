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
    let probe = || {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&[0; PROBE_BYTES])
    };
    probe().or_refuse(
        || format!("cannot write results to {}", directory.display()),
        "choose a directory that you may write, on a disk with room, with --output DIR",
    )?;
    check_summary(&directory.join(summary))?;
    Ok(little_room(directory))
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

fn little_room(directory: &Path) -> Option<String> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // A file system that does not tell has no blocks at all.
    (disk.f_blocks > 0 && free < LITTLE_ROOM).then(|| {
        format!(
            "warning: the disk of {} has {} MiB left, and a run ends when it is full",
            directory.display(),
            free >> 20
        )
    })
}
