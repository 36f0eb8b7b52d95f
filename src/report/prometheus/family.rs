//! Metric families: values of one name and kind, before they are written in one of the formats.

use crate::schema::live_histogram::LiveHistogram;

/// Labels of a value, in the order in which they are written.
pub(super) type Labels = Vec<(&'static str, String)>;

/// Values of one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    /// Its name without what a format adds to it (`_total`, `_info`, `_bucket`).
    pub(super) name: String,
    pub(super) kind: Kind,
    /// `seconds`, `bytes`, …: the end of the name; empty where it has none.
    pub(super) unit: &'static str,
    pub(super) help: String,
    pub(super) metrics: Vec<(Labels, Value<'a>)>,
}

/// What a family's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// Always 1: what it says is in its labels.
    Info,
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Number(f64),
    Histogram(&'a LiveHistogram),
}

/// A line of a text page, or a series of a write.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// What follows the family's name.
    pub(super) end: &'static str,
    pub(super) labels: &'a Labels,
    /// Upper bound of a bucket, s.
    pub(super) le: Option<f64>,
    pub(super) value: f64,
}

impl Family<'_> {
    /// Its values as single numbers, histograms by their fixed bounds.
    pub(super) fn lines<'a>(&'a self, mut add: impl FnMut(Line<'a>)) {
        for (labels, value) in &self.metrics {
            let line = |end, le, value| Line { end, labels, le, value };
            match value {
                Value::Number(number) => add(line(self.kind.end(), None, *number)),
                Value::Histogram(histogram) => {
                    for (bound_s, count) in histogram.cumulative() {
                        add(line("_bucket", Some(bound_s), count as f64));
                    }
                    add(line("_sum", None, histogram.sum_s()));
                    add(line("_count", None, histogram.count() as f64));
                }
            }
        }
    }
}

impl Kind {
    /// What single values bear behind the family's name.
    pub(super) fn end(self) -> &'static str {
        match self {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        }
    }
}
