//! Reads GPUs on a thread of its own, for whoever waits for them between two runs: a reading may block.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::monitor::gpu::GpuLibrary;
use crate::schema::gpu::GpuReading;

/// After so many readings at one pace half as many are taken: a launch may take a day.
const READINGS_A_PACE: u32 = 2_000;

/// One reading of all chosen GPUs.
#[derive(Debug, Clone)]
pub struct Read {
    /// When they were asked.
    pub at: Instant,
    /// How long the answer took.
    pub took: Duration,
    /// What they showed, or why they cannot be read.
    pub gpus: Result<Vec<GpuReading>, String>,
}

/// Readings as they come. Dropped, it ends.
#[derive(Debug)]
pub struct Feed {
    /// The library's name.
    pub read_by: &'static str,
    reads: UnboundedReceiver<Read>,
    pace: Sender<Duration>,
}

impl Feed {
    /// Begins to read, at once and then every `interval`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(library: Box<dyn GpuLibrary>, interval: Duration) -> std::io::Result<Feed> {
        let read_by = library.name();
        let (sender, reads) = unbounded_channel();
        let (pace, paces) = channel();
        let work = move || read(library, interval, &paces, &sender);
        std::thread::Builder::new().name("gpus".into()).spawn(work)?;
        Ok(Feed { read_by, reads, pace })
    }

    /// From now on a reading every `interval`.
    pub fn pace(&self, interval: Duration) {
        // A thread that has ended reads no more.
        let _ = self.pace.send(interval);
    }

    /// The next reading; none where there will be no more.
    pub async fn next(&mut self) -> Option<Read> {
        self.reads.recv().await
    }

    /// What was read and nobody took yet.
    pub fn taken(&mut self) -> Vec<Read> {
        std::iter::from_fn(|| self.reads.try_recv().ok()).collect()
    }
}

/// Reads until nobody listens any more.
fn read(
    mut library: Box<dyn GpuLibrary>,
    mut interval: Duration,
    paces: &std::sync::mpsc::Receiver<Duration>,
    reads: &UnboundedSender<Read>,
) {
    let mut at_this_pace = 0;
    loop {
        let at = Instant::now();
        let gpus = library.read().map_err(|error| format!("{error:#}"));
        if reads.send(Read { at, took: at.elapsed(), gpus }).is_err() {
            return;
        }
        at_this_pace += 1;
        if at_this_pace == READINGS_A_PACE {
            (interval, at_this_pace) = (interval * 2, 0);
        }
        match paces.recv_timeout(interval.saturating_sub(at.elapsed())) {
            Ok(new) => (interval, at_this_pace) = (new, 0),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
