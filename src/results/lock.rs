//! Locks of files that several processes write: who waits says for what, and can be told to go on without.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::schema::refusal::refuse;

/// A lock that is given within this time is waited for in silence, and whatever else is wanted.
const MOMENT: Duration = Duration::from_secs(1);
/// Between two tries within that time: others append row upon row, and each holds the lock for about so long.
const SHORT_PAUSE: Duration = Duration::from_millis(1);
/// Between two tries after it.
const PAUSE: Duration = Duration::from_millis(20);

/// How a lock is waited for.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Is told once what is waited for.
    pub say: &'a dyn Fn(&str),
    /// True once nobody wants to wait any more.
    pub stop: &'a dyn Fn() -> bool,
    /// The longest wait.
    pub at_most: Duration,
}

impl Patience<'_> {
    /// Waits a minute, and says nothing.
    pub const SILENT: Patience<'static> =
        Patience { say: &|_| {}, stop: &|| false, at_most: Duration::from_secs(60) };
}

/// Takes the lock of an open file.
///
/// # Errors
/// Another process holds it, and the patience is at its end.
pub(super) fn lock(file: &File, path: &Path, patience: Patience<'_>) -> Result<()> {
    let started = Instant::now();
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) if has_no_locks(error.kind()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) => {}
        }
        let waited = started.elapsed();
        if waited >= patience.at_most || waited >= MOMENT && (patience.stop)() {
            return refuse(
                format!("another program holds its lock since {:.0} s", waited.as_secs_f64()),
                "end that program (a stopped harness, an editor, a backup)",
            );
        }
        if waited >= MOMENT && !said {
            said = true;
            (patience.say)(&format!(
                "waiting for the lock of {}: another program holds it (at most {:.0} s; Ctrl-C goes on without)",
                path.display(),
                patience.at_most.as_secs_f64()
            ));
        }
        std::thread::sleep(if waited < MOMENT { SHORT_PAUSE } else { PAUSE });
    }
}

/// True where another process holds the lock of a file that is there.
pub(super) fn is_held(path: &Path) -> bool {
    // To open a pipe that nobody writes would wait for ever.
    if !std::fs::metadata(path).is_ok_and(|is| is.is_file()) {
        return false;
    }
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Some network disks know no locks.
pub(super) fn has_no_locks(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unsupported)
}
