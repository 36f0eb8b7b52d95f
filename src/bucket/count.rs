//! How far an upload is, for whoever shows it meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};

/// Files and bytes that are done.
#[derive(Debug, Default)]
pub struct Count {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    /// Files that are there by now.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes that were sent, or found to be there.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
