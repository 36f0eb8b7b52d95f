//! Metrics that are written to a remote-write address, in order and with bounds: what cannot be delivered waits, and
//! the oldest of it is given up.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};

use crate::report::prometheus::WriteRequests;
use crate::schema::live_page::LivePage;

use super::destination::{Destination, NotSent};

/// Time between two writes.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// Pages that wait to be delivered: two minutes of them.
const WAITING: usize = 24;

/// A remote-write address and what is still to be written to it.
#[derive(Debug)]
pub(super) struct RemoteWrite {
    destination: Destination,
    requests: WriteRequests,
    /// Time of the newest body, Unix ms: the next is later, also where the clock is set back.
    newest_ms: i64,
    waiting: VecDeque<Bytes>,
    /// Pages that were given up.
    lost: u64,
}

impl RemoteWrite {
    /// Nothing is written yet.
    ///
    /// # Errors
    /// It is no http address.
    pub(super) fn new(given: &str, token: Option<String>, hostname: &str) -> anyhow::Result<RemoteWrite> {
        let destination = Destination::new("--remote-write", given, token)?;
        let requests = WriteRequests::new(hostname);
        Ok(RemoteWrite { destination, requests, newest_ms: 0, waiting: VecDeque::new(), lost: 0 })
    }

    /// Its address.
    pub(super) fn shown(&self) -> &str {
        &self.destination.shown
    }

    /// Pages that never arrived.
    pub(super) fn lost(&self) -> u64 {
        self.lost + self.waiting.len() as u64
    }

    /// Takes the page as of now.
    pub(super) fn take(&mut self, page: &LivePage) {
        let now_ms = self.now_ms();
        let body = self.requests.of(page, now_ms);
        self.wait(body);
    }

    /// Takes that nothing more comes: what was shown last ends now.
    pub(super) fn take_end(&mut self) {
        let now_ms = self.now_ms();
        let body = self.requests.end(now_ms);
        self.wait(body);
    }

    fn now_ms(&mut self) -> i64 {
        self.newest_ms = Timestamp::now().as_millisecond().max(self.newest_ms + 1);
        self.newest_ms
    }

    fn wait(&mut self, body: anyhow::Result<Vec<u8>>) {
        match body {
            Ok(body) => self.waiting.push_back(body.into()),
            Err(_) => self.lost += 1,
        }
        while self.waiting.len() > WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
    }

    /// Writes what waits, oldest first, until one does not arrive: that one waits on, where it may arrive later.
    pub(super) async fn flush(&mut self) -> Result<(), NotSent> {
        while let Some(body) = self.waiting.front().cloned() {
            let sent = self.destination.send(|client, url| {
                client
                    .post(url)
                    .header(CONTENT_TYPE, "application/x-protobuf")
                    .header(CONTENT_ENCODING, "snappy")
                    .header("X-Prometheus-Remote-Write-Version", "0.1.0")
                    .header(USER_AGENT, concat!("harness/", env!("CARGO_PKG_VERSION")))
                    .body(body)
            });
            let sent = sent.await;
            match sent {
                Err(trouble) if trouble.later => return Err(trouble),
                Err(trouble) => {
                    self.waiting.pop_front();
                    self.lost += 1;
                    return Err(trouble);
                }
                Ok(()) => {
                    self.waiting.pop_front();
                }
            }
        }
        Ok(())
    }
}
