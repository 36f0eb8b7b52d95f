//! What goes on, for Prometheus: the page that it scrapes in three formats, and what is written to it.

mod family;
mod format;
mod page;
mod protobuf;
mod remote_write;
mod sensed;
mod text;

use crate::schema::live_page::LivePage;

pub use format::Format;

/// The page as bytes.
pub fn page(page: &LivePage, format: Format) -> Vec<u8> {
    let families = page::families(page);
    match format {
        Format::Classic => text::page(&families, text::Dialect::Classic).into_bytes(),
        Format::OpenMetrics => text::page(&families, text::Dialect::OpenMetrics).into_bytes(),
        Format::Protobuf => protobuf::page(&families),
    }
}

/// Bodies of remote writes (1.0), one after the other.
#[derive(Debug)]
pub struct WriteRequests {
    /// Labels that a scrape would have added.
    target: [(&'static str, String); 2],
    shown: remote_write::Shown,
}

impl WriteRequests {
    /// Of the job `harness`; `instance` is this machine.
    pub fn new(instance: &str) -> WriteRequests {
        let target = [("job", "harness".to_owned()), ("instance", instance.to_owned())];
        WriteRequests { target, shown: remote_write::Shown::default() }
    }

    /// The page with values of the time `at_ms`, Unix ms, and the ends of series that only the page before had.
    ///
    /// # Errors
    /// It is too long to be packed.
    pub fn of(&mut self, page: &LivePage, at_ms: i64) -> anyhow::Result<Vec<u8>> {
        remote_write::packed(&self.shown.message(&page::families(page), &self.target, at_ms))
    }

    /// The ends of all series of the last page, at `at_ms`, Unix ms.
    ///
    /// # Errors
    /// It is too long to be packed.
    pub fn end(&mut self, at_ms: i64) -> anyhow::Result<Vec<u8>> {
        remote_write::packed(&self.shown.end(at_ms))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
