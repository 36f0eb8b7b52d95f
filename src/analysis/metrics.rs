//! The values of [`METRICS`]: each row's function over a run's records, one record at a time.

use std::collections::BTreeMap;

use crate::schema::figure::{self, METRICS, Metric, Of, RunTotals};
use crate::schema::record::RequestRecord;
use crate::schema::summary::MetricValue;

use super::distribution::{Moments, Samples};

/// Metrics whose distribution is drawn.
const DRAWN: [&str; 3] = [figure::TTFT, figure::ITL, figure::E2E];

/// What came of the metrics.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// Values by name.
    pub(super) values: BTreeMap<String, MetricValue>,
    /// Distribution functions by name: (value, % at or below it).
    pub(super) ecdf: BTreeMap<String, Vec<(f64, f64)>>,
}

/// What each metric has gathered so far, in the order of the table.
#[derive(Debug)]
pub(super) struct Metrics(Vec<(&'static Metric, Gathered)>);

/// A metric's function with what it gave of the requests so far.
#[derive(Debug)]
enum Gathered {
    Each(fn(&RequestRecord) -> Option<f64>, Samples),
    Several(fn(&RequestRecord, &mut dyn FnMut(f64, u64)), Samples),
    Mean(fn(&RequestRecord) -> Option<f64>, Moments),
    Run(fn(&RunTotals) -> Option<f64>),
}

impl Gathered {
    fn nothing_of(metric: &Metric) -> Gathered {
        match metric.of {
            Of::EachRequest(of) => Gathered::Each(of, Samples::default()),
            Of::EachEvent(of) => Gathered::Several(of, Samples::default()),
            Of::MeanOfRequests(of) => Gathered::Mean(of, Moments::default()),
            Of::Run(of) => Gathered::Run(of),
        }
    }

    fn add(&mut self, record: &RequestRecord) {
        match self {
            Gathered::Each(of, samples) => of(record).into_iter().for_each(|value| samples.add(value)),
            Gathered::Several(of, samples) => {
                of(record, &mut |value, times| samples.add_times(value, times));
            }
            Gathered::Mean(of, moments) => of(record).into_iter().for_each(|value| moments.add(value, 1)),
            Gathered::Run(_) => {}
        }
    }

    fn value(self, run: &RunTotals) -> Option<(MetricValue, Vec<(f64, f64)>)> {
        let scalar = |value: Option<f64>| value.map(|value| (MetricValue::Scalar(value), Vec::new()));
        match self {
            Gathered::Each(_, samples) | Gathered::Several(_, samples) => {
                let (distribution, ecdf) = samples.distribution_and_ecdf()?;
                Some((MetricValue::Distribution(distribution), ecdf))
            }
            Gathered::Mean(_, moments) => scalar(moments.mean()),
            Gathered::Run(of) => scalar(of(run)),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics(METRICS.iter().map(|metric| (metric, Gathered::nothing_of(metric))).collect())
    }
}

impl Metrics {
    /// Adds a completed request: a failed one's times enter no metric.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.0.iter_mut().for_each(|(_, gathered)| gathered.add(record));
    }

    /// The metrics that have a value, by name, and the distribution functions of those that are drawn. Where it is
    /// not known that the tokens of a pace came in its time, all paces are withheld.
    pub(super) fn finish(self, run: &RunTotals, pace_is_known: bool) -> Finished {
        let mut finished = Finished::default();
        for (metric, gathered) in self.0 {
            if metric.is_pace() && !pace_is_known {
                continue;
            }
            let Some((value, ecdf)) = gathered.value(run) else { continue };
            finished.values.insert(metric.name.to_owned(), value);
            if DRAWN.contains(&metric.name) {
                finished.ecdf.insert(metric.name.to_owned(), ecdf);
            }
        }
        finished
    }
}
