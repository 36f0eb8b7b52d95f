//! Takes records from the load engine, writes them as they come, and keeps what the live line shows.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::results::{self, RecordWriter, RunFiles};
use crate::schema::record::{Outcome, RequestRecord, TokenSource};
use crate::schema::refusal::OrRefuse;
use crate::secrets::from_outside;

use super::live_figures::LiveFigures;

/// A record is on disk at most this long after its request ended.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// Tokens that the server reported, over every request that it answered whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReportedTokens {
    /// Prompt tokens.
    pub prompt: u64,
    /// Output tokens.
    pub output: u64,
    /// Requests that ended otherwise: the server may have counted more.
    pub cut_short: u64,
    /// Whole answers without a count: there is nothing to hold against the server's.
    pub uncounted: u64,
}

impl ReportedTokens {
    /// Adds those of another run on the same server.
    pub fn join(&mut self, other: ReportedTokens) {
        self.prompt += other.prompt;
        self.output += other.output;
        self.cut_short += other.cut_short;
        self.uncounted += other.uncounted;
    }

    /// Adds a request, warm-up ones too.
    pub fn add(&mut self, record: &RequestRecord) {
        let believed = record.counts();
        let counts = believed.prompt.zip(believed.output);
        match (&record.outcome, believed.source, counts) {
            (Outcome::Completed, TokenSource::Usage, Some((prompt, output))) => {
                self.prompt += u64::from(prompt);
                self.output += u64::from(output);
            }
            (Outcome::Completed, _, _) => self.uncounted += 1,
            (Outcome::Failed { .. } | Outcome::Cancelled, _, _) => self.cut_short += 1,
            (Outcome::Dropped, _, _) => {}
        }
    }
}

/// A record's words of the server as every file and output may hold them. Whoever makes a failure's words cleans them
/// too, before they are cut to length; this is the one gate that all of them pass.
fn keep_safe(record: &mut RequestRecord) {
    let words = record.finish_reason.as_mut();
    let detail = match &mut record.outcome {
        Outcome::Failed { kind: _, detail } => Some(detail),
        Outcome::Completed | Outcome::Cancelled | Outcome::Dropped => None,
    };
    for text in words.into_iter().chain(detail) {
        if let Cow::Owned(safe) = from_outside(text) {
            *text = safe;
        }
    }
}

/// The thread that writes records.
pub struct Recorder {
    thread: JoinHandle<anyhow::Result<(RecordWriter, ReportedTokens)>>,
    broken: watch::Receiver<bool>,
}

impl Recorder {
    /// Writes records until every sender is gone, or until they cannot be written.
    pub fn start(records: Receiver<RequestRecord>, writer: RecordWriter, live: LiveFigures) -> Self {
        let (tell, broken) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let files = writer.files().clone();
            let recorded = record(&records, writer, &live);
            if recorded.is_err() {
                tell.send_replace(true);
            }
            recorded.map_err(|error| not_saved(error, &files))
        });
        Recorder { thread, broken }
    }

    /// Turns true where records cannot be written any more: the load goes on for nothing.
    pub fn broken(&self) -> watch::Receiver<bool> {
        self.broken.clone()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The records could not be written.
    pub fn join(self) -> anyhow::Result<(RecordWriter, ReportedTokens)> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the recorder panicked")))
    }
}

fn record(
    records: &Receiver<RequestRecord>,
    mut writer: RecordWriter,
    live: &LiveFigures,
) -> anyhow::Result<(RecordWriter, ReportedTokens)> {
    let mut reported = ReportedTokens::default();
    loop {
        match records.recv_timeout(FLUSH_INTERVAL) {
            Ok(mut record) => {
                keep_safe(&mut record);
                reported.add(&record);
                live.add(&record);
                writer.write(&record)?;
            }
            Err(RecvTimeoutError::Timeout) => writer.tick()?,
            Err(RecvTimeoutError::Disconnected) => {
                // The server's stop comes before the close, and may take longer than a crash may lose.
                writer.tick()?;
                return Ok((writer, reported));
            }
        }
    }
}

/// What is saved of a run whose records could not be written, and how its results are made of that.
pub fn not_saved(error: anyhow::Error, files: &RunFiles) -> anyhow::Error {
    let saved = match results::saved_records(files) {
        Ok(saved) => format!("{saved} requests are saved"),
        Err(error) => format!("what is saved cannot be told: {error:#}"),
    };
    let cure = format!("make room, then: harness report {}", files.directory().display());
    Err::<(), _>(error)
        .or_refuse(|| format!("the records could not be written ({saved})"), cure)
        .err()
        .unwrap_or_else(|| anyhow::anyhow!("the records could not be written"))
}
