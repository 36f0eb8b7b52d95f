//! Prometheus' own protobuf: what the page is where native histograms are asked for.
//!
//! <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>: the fields that we
//! write, by their numbers there.

use prost::Message;

use crate::schema::live_histogram::{LiveHistogram, NATIVE_SCHEMA, NATIVE_ZERO_S};

use super::family::{Family, Kind, Labels, Value};

/// Families, each with its length before it.
pub(super) fn page(families: &[Family<'_>]) -> Vec<u8> {
    families.iter().flat_map(|family| message(family).encode_length_delimited_to_vec()).collect()
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    /// 0 counter, 1 gauge, 4 histogram.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub(super) metric: Vec<Metric>,
    #[prost(string, optional, tag = "5")]
    unit: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    pub(super) histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(super) sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    pub(super) positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    pub(super) positive_delta: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

/// Buckets that follow each other.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct BucketSpan {
    /// Empty buckets before it; of the first its own number.
    #[prost(sint32, optional, tag = "1")]
    pub(super) offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) length: Option<u32>,
}

fn message(family: &Family<'_>) -> MetricFamily {
    let kind = match family.kind {
        Kind::Counter => 0,
        Kind::Gauge | Kind::Info => 1,
        Kind::Histogram => 4,
    };
    MetricFamily {
        name: Some(format!("{}{}", family.name, family.kind.end())),
        help: Some(family.help.clone()),
        kind: Some(kind),
        metric: family.metrics.iter().map(|(labels, value)| metric(family.kind, labels, *value)).collect(),
        unit: (!family.unit.is_empty()).then(|| family.unit.to_owned()),
    }
}

fn metric(kind: Kind, labels: &Labels, value: Value<'_>) -> Metric {
    let pair = |(name, value): &(&str, String)| LabelPair {
        name: Some((*name).to_owned()),
        value: Some(value.clone()),
    };
    let mut metric = Metric { label: labels.iter().map(pair).collect(), ..Metric::default() };
    match value {
        Value::Number(value) if kind == Kind::Counter => metric.counter = Some(Number { value: Some(value) }),
        Value::Number(value) => metric.gauge = Some(Number { value: Some(value) }),
        Value::Histogram(values) => metric.histogram = Some(histogram(values)),
    }
    metric
}

/// With both kinds of buckets: Prometheus takes the native ones, and older readers the fixed ones.
fn histogram(values: &LiveHistogram) -> Histogram {
    let bucket = |(bound_s, count)| Bucket { cumulative_count: Some(count), upper_bound: Some(bound_s) };
    let (positive_span, positive_delta) = native(values);
    Histogram {
        sample_count: Some(values.count()),
        sample_sum: Some(values.sum_s()),
        bucket: values.cumulative().map(bucket).collect(),
        schema: Some(NATIVE_SCHEMA),
        zero_threshold: Some(NATIVE_ZERO_S),
        zero_count: Some(values.zeros()),
        positive_span,
        positive_delta,
    }
}

/// Native buckets as spans of neighbours, each count told as what it is more than the one before.
fn native(values: &LiveHistogram) -> (Vec<BucketSpan>, Vec<i64>) {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut deltas = Vec::new();
    let mut next: Option<i32> = None;
    let mut before = 0;
    for (bucket, count) in values.native() {
        match (spans.last_mut(), next) {
            (Some(span), Some(next)) if next == bucket => span.length = span.length.map(|length| length + 1),
            (_, next) => {
                let offset = bucket - next.unwrap_or(0);
                spans.push(BucketSpan { offset: Some(offset), length: Some(1) });
            }
        }
        deltas.push(count as i64 - before);
        before = count as i64;
        next = Some(bucket + 1);
    }
    (spans, deltas)
}
