//! The values of [`METRICS`]: each row's function over a run's records, one record at a time.

use std::collections::BTreeMap;

use crate::schema::figure::{self, METRICS, Metric, Of, RunTotals};
use crate::schema::record::RequestRecord;
use crate::schema::request_figures::Figured;
use crate::schema::summary::MetricValue;

use super::distribution::Samples;
use super::steps::Steps;

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
    Each(fn(&Figured<'_>) -> Option<f64>, Samples),
    Several(fn(&RequestRecord, &mut dyn FnMut(u64, u32)), Steps),
    Mean(fn(&Figured<'_>) -> Option<f64>, Samples),
    Run(fn(&RunTotals) -> Option<f64>),
}

impl Gathered {
    fn nothing_of(metric: &Metric) -> Gathered {
        match metric.of {
            Of::EachRequest(of) => Gathered::Each(of, Samples::default()),
            Of::EachEvent(of) => Gathered::Several(of, Steps::default()),
            Of::MeanOfRequests(of) => Gathered::Mean(of, Samples::default()),
            Of::Run(of) => Gathered::Run(of),
        }
    }

    fn add(&mut self, request: &Figured<'_>) {
        match self {
            Gathered::Each(of, samples) | Gathered::Mean(of, samples) => {
                of(request).into_iter().for_each(|value| samples.add(value));
            }
            Gathered::Several(of, steps) => {
                of(request.record, &mut |gap_us, shared| steps.add(gap_us, shared))
            }
            Gathered::Run(_) => {}
        }
    }

    fn merge(&mut self, other: Gathered) {
        match (self, other) {
            (Gathered::Each(_, samples), Gathered::Each(_, more))
            | (Gathered::Mean(_, samples), Gathered::Mean(_, more)) => samples.merge(more),
            (Gathered::Several(_, steps), Gathered::Several(_, more)) => steps.merge(more),
            // Both have the order of the one table; a number of the whole run gathers nothing.
            (Gathered::Each(..) | Gathered::Several(..) | Gathered::Mean(..) | Gathered::Run(_), _) => {}
        }
    }

    fn settle(&mut self) {
        match self {
            Gathered::Each(_, samples) | Gathered::Mean(_, samples) => samples.settle(),
            Gathered::Several(_, _) | Gathered::Run(_) => {}
        }
    }

    fn value(self, run: &RunTotals) -> Option<(MetricValue, Vec<(f64, f64)>)> {
        let scalar = |value: Option<f64>| value.map(|value| (MetricValue::Scalar(value), Vec::new()));
        let (distribution, ecdf) = match self {
            Gathered::Each(_, samples) => samples.distribution_and_ecdf()?,
            Gathered::Several(_, steps) => steps.distribution_and_ecdf()?,
            Gathered::Mean(_, samples) => return scalar(samples.mean()),
            Gathered::Run(of) => return scalar(of(run)),
        };
        Some((MetricValue::Distribution(distribution), ecdf))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics(METRICS.iter().map(|metric| (metric, Gathered::nothing_of(metric))).collect())
    }
}

impl Metrics {
    /// Adds a completed request: a failed one's times enter no metric.
    pub(super) fn add(&mut self, request: &Figured<'_>) {
        self.0.iter_mut().for_each(|(_, gathered)| gathered.add(request));
    }

    /// Adds what another gathered.
    pub(super) fn merge(&mut self, other: Metrics) {
        self.0.iter_mut().zip(other.0).for_each(|((_, gathered), (_, more))| gathered.merge(more));
    }

    /// Does what of the end can be done of a part.
    pub(super) fn settle(&mut self) {
        self.0.iter_mut().for_each(|(_, gathered)| gathered.settle());
    }

    /// Steps that a metric has gathered; none of one that gathers no steps.
    pub(super) fn steps(&self, name: &str) -> Option<&Steps> {
        self.0.iter().find(|(metric, _)| metric.name == name).and_then(|(_, gathered)| match gathered {
            Gathered::Several(_, steps) => Some(steps),
            Gathered::Each(..) | Gathered::Mean(..) | Gathered::Run(_) => None,
        })
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
