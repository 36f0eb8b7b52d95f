//! The values of [`METRICS`]: each row's function over a run's records, one record at a time.

use std::collections::BTreeMap;

use crate::schema::figure::{METRICS, Metric, Of, RunTotals};
use crate::schema::record::RequestRecord;
use crate::schema::summary::MetricValue;

use super::distribution::{Moments, Samples};

/// What each metric has gathered so far, in the order of the table.
#[derive(Debug)]
pub(super) struct Metrics(Vec<(&'static str, Gathered)>);

/// A metric's function with what it gave of the requests so far.
#[derive(Debug)]
enum Gathered {
    Each(fn(&RequestRecord) -> Option<f64>, Samples),
    Several { of: fn(&RequestRecord, &mut dyn FnMut(f64, u64)), samples: Samples, rests_on_tokens: bool },
    Mean(fn(&RequestRecord) -> Option<f64>, Moments),
    Run(fn(&RunTotals) -> Option<f64>),
}

impl Gathered {
    fn nothing_of(metric: &Metric) -> Gathered {
        let several =
            |of, rests_on_tokens| Gathered::Several { of, samples: Samples::default(), rests_on_tokens };
        match metric.of {
            Of::EachRequest(of) => Gathered::Each(of, Samples::default()),
            Of::EachEvent(of) => several(of, false),
            Of::EachToken(of) => several(of, true),
            Of::MeanOfRequests(of) => Gathered::Mean(of, Moments::default()),
            Of::Run(of) => Gathered::Run(of),
        }
    }

    fn add(&mut self, record: &RequestRecord) {
        match self {
            Gathered::Each(of, samples) => of(record).into_iter().for_each(|value| samples.add(value)),
            Gathered::Several { of, samples, rests_on_tokens: _ } => {
                of(record, &mut |value, times| samples.add_times(value, times));
            }
            Gathered::Mean(of, moments) => of(record).into_iter().for_each(|value| moments.add(value, 1)),
            Gathered::Run(_) => {}
        }
    }

    fn value(self, run: &RunTotals, tokens_are_known: bool) -> Option<MetricValue> {
        match self {
            Gathered::Several { rests_on_tokens: true, .. } if !tokens_are_known => None,
            Gathered::Each(_, samples) | Gathered::Several { samples, .. } => {
                samples.distribution().map(MetricValue::Distribution)
            }
            Gathered::Mean(_, moments) => moments.mean().map(MetricValue::Scalar),
            Gathered::Run(of) => of(run).map(MetricValue::Scalar),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics(METRICS.iter().map(|metric| (metric.name, Gathered::nothing_of(metric))).collect())
    }
}

impl Metrics {
    /// Adds a completed request: a failed one's times enter no metric.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.0.iter_mut().for_each(|(_, gathered)| gathered.add(record));
    }

    /// The metrics that have a value, by name. Where events do not say how many tokens they carried, what
    /// rests on that is withheld.
    pub(super) fn finish(self, run: &RunTotals, tokens_are_known: bool) -> BTreeMap<String, MetricValue> {
        self.0
            .into_iter()
            .filter_map(|(name, gathered)| Some((name.to_owned(), gathered.value(run, tokens_are_known)?)))
            .collect()
    }
}
