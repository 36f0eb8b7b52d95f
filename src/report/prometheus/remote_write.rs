//! Prometheus' remote-write 1.0: the page's values with a time, as a snappy block.
//!
//! <https://prometheus.io/docs/specs/prw/remote_write_spec/>, the messages by their numbers there.

use std::collections::BTreeSet;

use prost::Message;

use super::family::{Family, Kind};
use super::text::bound;

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    /// Unix time, ms.
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct MetricMetadata {
    /// 1 counter, 2 gauge, 3 histogram, 6 info.
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    metric_family_name: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

/// The number that ends a series, of all those that are none ("Stale markers" in the specification).
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// What the last message showed: a series that the next one lacks is ended in it, or it would be shown on for minutes.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeSet<Vec<Label>>);

impl Shown {
    /// Families at a time, Unix ms, and the ends of what is there no more; `target` are the labels that a scrape would
    /// have added (job, instance).
    pub(super) fn message(
        &mut self,
        families: &[Family<'_>],
        target: &[(&'static str, String)],
        at_ms: i64,
    ) -> WriteRequest {
        let mut request = message(families, target, at_ms);
        let now = request.timeseries.iter().map(|series| series.labels.clone()).collect();
        let before = std::mem::replace(&mut self.0, now);
        let ended = before.difference(&self.0).map(|labels| stale(labels.clone(), at_ms));
        request.timeseries.extend(ended);
        request
    }

    /// The end of all that is shown.
    pub(super) fn end(&mut self, at_ms: i64) -> WriteRequest {
        let ended = std::mem::take(&mut self.0).into_iter().map(|labels| stale(labels, at_ms));
        WriteRequest { timeseries: ended.collect(), metadata: Vec::new() }
    }
}

fn stale(labels: Vec<Label>, at_ms: i64) -> TimeSeries {
    let value = f64::from_bits(STALE_BITS);
    TimeSeries { labels, samples: vec![Sample { value, timestamp: at_ms }] }
}

fn message(families: &[Family<'_>], target: &[(&'static str, String)], at_ms: i64) -> WriteRequest {
    let mut timeseries = Vec::new();
    for family in families {
        family.lines(|line| {
            let name = ("__name__", format!("{}{}", family.name, line.end));
            let le = line.le.map(|le| ("le", bound(le)));
            let all =
                [name].into_iter().chain(target.iter().cloned()).chain(line.labels.iter().cloned()).chain(le);
            let mut labels: Vec<Label> =
                all.map(|(name, value)| Label { name: name.to_owned(), value }).collect();
            // Receivers want them in order, and an empty one is none.
            labels.retain(|label| !label.value.is_empty());
            labels.sort();
            timeseries
                .push(TimeSeries { labels, samples: vec![Sample { value: line.value, timestamp: at_ms }] });
        });
    }
    WriteRequest { timeseries, metadata: families.iter().map(metadata).collect() }
}

fn metadata(family: &Family<'_>) -> MetricMetadata {
    let kind = match family.kind {
        Kind::Counter => 1,
        Kind::Gauge => 2,
        Kind::Histogram => 3,
        Kind::Info => 6,
    };
    MetricMetadata {
        kind,
        metric_family_name: format!("{}{}", family.name, family.kind.end()),
        help: family.help.clone(),
        unit: family.unit.to_owned(),
    }
}

/// As it is posted: `Content-Type: application/x-protobuf`, `Content-Encoding: snappy`.
///
/// # Errors
/// It is too long for a snappy block, 4 GiB.
pub(super) fn packed(request: &WriteRequest) -> anyhow::Result<Vec<u8>> {
    Ok(snap::raw::Encoder::new().compress_vec(&request.encode_to_vec())?)
}
