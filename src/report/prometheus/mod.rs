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

/// The page as the body of a remote write (1.0) with values of the time `at_ms`, Unix ms; `instance` is this machine.
///
/// # Errors
/// It is too long to be packed.
pub fn write_request(page: &LivePage, instance: &str, at_ms: i64) -> anyhow::Result<Vec<u8>> {
    let target = [("job", "harness".to_owned()), ("instance", instance.to_owned())];
    remote_write::packed(&remote_write::message(&page::families(page), &target, at_ms))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
