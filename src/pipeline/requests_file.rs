//! `_requests.csv` in the making: the disk takes it up while it is written, so that nobody waits for all of it at the end.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::Context;

use crate::report::csv::RequestLines;
use crate::results::{AtomicFile, RunFiles};

/// So much that was written is handed to the disk at once, bytes.
const DISK_BYTES: usize = 16 << 20;

/// The file, with how its lines are made.
pub(super) struct RequestsFile {
    path: PathBuf,
    sink: AtomicFile,
    /// Bytes that nobody has handed to the disk yet.
    waiting: usize,
    disk: Option<Disk>,
    pub(super) lines: RequestLines,
    /// Its rows have their paces.
    pub(super) pace_is_known: bool,
}

impl RequestsFile {
    /// Starts the file of a run.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn create(files: &RunFiles, pace_is_known: bool) -> anyhow::Result<Self> {
        let path = files.requests_csv();
        let mut sink = AtomicFile::create(&path)?;
        sink.write_all(&RequestLines::head()).with_context(|| cannot_write(&path))?;
        let lines = RequestLines::new(pace_is_known);
        Ok(RequestsFile { path, sink, waiting: 0, disk: None, lines, pace_is_known })
    }

    /// Adds lines.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn add(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        self.sink.write_all(lines).with_context(|| cannot_write(&self.path))?;
        self.waiting += lines.len();
        if self.waiting >= DISK_BYTES {
            self.waiting = 0;
            if self.disk.is_none() {
                self.disk = self.sink.handle().ok().map(Disk::start);
            }
            self.disk.iter().for_each(Disk::wake);
        }
        Ok(())
    }

    /// No line follows: waits for the disk.
    ///
    /// # Errors
    /// It did not take the file.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        let before = self.disk.take().map_or(Ok(()), Disk::end);
        before.and_then(|()| self.sink.settle()).with_context(|| cannot_write(&self.path))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn commit(mut self) -> anyhow::Result<()> {
        // What the disk refused before is not told again.
        self.disk.take().map_or(Ok(()), Disk::end).with_context(|| cannot_write(&self.path))?;
        self.sink.commit()
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// A thread that waits for the disk.
struct Disk {
    wake: mpsc::SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Disk {
    fn start(file: File) -> Disk {
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || woken.iter().try_for_each(|()| file.sync_data()));
        Disk { wake, thread }
    }

    /// Has it take what was written by now. One that is still busy takes it with the next.
    fn wake(&self) {
        let _ = self.wake.try_send(());
    }

    /// What came of it.
    fn end(self) -> io::Result<()> {
        drop(self.wake);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
