//! The values of [`METRICS`]: each row's function over a run's records, one record at a time.

use std::collections::BTreeMap;

use crate::schema::figure::{self, METRICS, Metric, Of, RunTotals};
use crate::schema::record::RequestRecord;
use crate::schema::request_figures::Figured;
use crate::schema::summary::MetricValue;

use super::distribution::Samples;
use super::side_by_side::side_by_side;
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

/// What each metric has gathered so far.
#[derive(Debug)]
pub(super) struct Metrics {
    /// In the order of the table.
    rows: Vec<(&'static Metric, Gathered)>,
    /// Gaps between the events of requests of single tokens: each metric of steps has these too.
    single_gaps: Steps,
}

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
            Gathered::Several(..) if request.record.chunks.are_single() => {}
            Gathered::Several(of, steps) => {
                of(request.record, &mut |gap_us, shared| steps.add(gap_us, shared));
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

    fn samples(&mut self) -> Option<&mut Samples> {
        match self {
            Gathered::Each(_, samples) | Gathered::Mean(_, samples) => Some(samples),
            Gathered::Several(_, _) | Gathered::Run(_) => None,
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
        let rows = METRICS.iter().map(|metric| (metric, Gathered::nothing_of(metric))).collect();
        Metrics { rows, single_gaps: Steps::default() }
    }
}

impl Metrics {
    /// Adds a completed request, but for the gaps of single tokens: a failed one's times enter no metric.
    pub(super) fn add(&mut self, request: &Figured<'_>) {
        self.rows.iter_mut().for_each(|(_, gathered)| gathered.add(request));
    }

    /// Takes the gaps of completed requests of single tokens, each of them once.
    pub(super) fn single_gaps(&mut self) -> &mut Steps {
        &mut self.single_gaps
    }

    /// Adds what another gathered.
    pub(super) fn merge(&mut self, other: Metrics) {
        self.rows.iter_mut().zip(other.rows).for_each(|((_, gathered), (_, more))| gathered.merge(more));
        self.single_gaps.merge(other.single_gaps);
    }

    /// Values of which there is one a request, to be put in order.
    pub(super) fn samples(&mut self) -> impl Iterator<Item = &mut Samples> {
        self.rows.iter_mut().filter_map(|(_, gathered)| gathered.samples())
    }

    /// No request follows: gives each metric of steps the gaps of single tokens.
    pub(super) fn share_gaps(&mut self) {
        let gaps = std::mem::take(&mut self.single_gaps);
        for (_, gathered) in &mut self.rows {
            match gathered {
                Gathered::Several(_, steps) => steps.merge(gaps.clone()),
                Gathered::Each(..) | Gathered::Mean(..) | Gathered::Run(_) => {}
            }
        }
    }

    /// Steps that a metric has gathered; none of one that gathers no steps.
    pub(super) fn steps(&self, name: &str) -> Option<&Steps> {
        self.rows.iter().find(|(metric, _)| metric.name == name).and_then(|(_, gathered)| match gathered {
            Gathered::Several(_, steps) => Some(steps),
            Gathered::Each(..) | Gathered::Mean(..) | Gathered::Run(_) => None,
        })
    }

    /// The metrics that have a value, by name, and the distribution functions of those that are drawn. Where it is
    /// not known that the tokens of a pace came in its time, all paces are withheld.
    pub(super) fn finish(self, run: &RunTotals, pace_is_known: bool) -> Finished {
        let mut finished = Finished::default();
        let shown = self.rows.into_iter().filter(|(metric, _)| pace_is_known || !metric.is_pace());
        let values = side_by_side(shown.collect(), |(metric, gathered)| (metric, gathered.value(run)));
        for (metric, value) in values {
            let Some((value, ecdf)) = value else { continue };
            finished.values.insert(metric.name.to_owned(), value);
            if DRAWN.contains(&metric.name) {
                finished.ecdf.insert(metric.name.to_owned(), ecdf);
            }
        }
        finished
    }
}
