//! Objectives held against requests (goodput) and against the statistics of a run.

use std::collections::BTreeMap;

use crate::schema::figure::{self, Of, Statistic};
use crate::schema::objective::{Judged, Objective};
use crate::schema::request_figures::{Figured, milliseconds};
use crate::schema::summary::MetricValue;

use super::distribution::Samples;

/// Counts the completed requests that met every objective (as DistServe defines goodput, Zhong et al., OSDI 2024, §1:
/// a request counts where it meets all of its latency objectives).
#[derive(Debug)]
pub(super) struct Goodput {
    /// Objectives of single requests; none where the user has no objective at all.
    limits: Option<Vec<RequestLimit>>,
    good: u64,
}

/// What a request's own value must not be above.
#[derive(Debug)]
struct RequestLimit {
    of: Of,
    statistic: Statistic,
    limit: f64,
    is_pace: bool,
    /// Without a first token there is no such latency, and nobody was served.
    needs_token: bool,
    /// Values above the limit, and all.
    above: u64,
    all: u64,
}

impl Goodput {
    pub(super) fn new(objectives: &[Objective]) -> Self {
        let of_request = objectives.iter().filter(|objective| !objective.is_of_run());
        let limit = |objective: &Objective| {
            let metric = figure::metric(&objective.metric)?;
            Some(RequestLimit {
                of: metric.of,
                statistic: objective.statistic,
                limit: objective.limit,
                is_pace: metric.is_pace(),
                needs_token: !metric.is_pace() && metric.name != figure::CHUNK_GAP,
                above: 0,
                all: 0,
            })
        };
        let limits = of_request.filter_map(limit).collect();
        Goodput { limits: (!objectives.is_empty()).then_some(limits), good: 0 }
    }

    /// Adds a completed request.
    pub(super) fn add(&mut self, request: &Figured<'_>) {
        let Some(limits) = &mut self.limits else { return };
        let mut met = true;
        for limit in limits {
            met &= limit.add(request);
        }
        self.good += u64::from(met);
    }

    /// Adds the requests of another with the same objectives.
    pub(super) fn merge(&mut self, other: &Goodput) {
        self.good += other.good;
        let more = other.limits.iter().flatten();
        for (limit, more) in self.limits.iter_mut().flatten().zip(more) {
            limit.above += more.above;
            limit.all += more.all;
        }
    }

    /// Values above the limit and all values, of each objective of requests in their order.
    fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.limits.iter().flatten().map(|limit| (limit.above, limit.all))
    }

    /// Requests that met every objective; none where there is no objective, or one of a pace that is not known.
    pub(super) fn good(&self, pace_is_known: bool) -> Option<u64> {
        let limits = self.limits.as_ref()?;
        (pace_is_known || !limits.iter().any(|limit| limit.is_pace)).then_some(self.good)
    }
}

impl RequestLimit {
    /// Counts the values of a request; whether it met the objective.
    fn add(&mut self, request: &Figured<'_>) -> bool {
        match self.own_value(request) {
            Some(value) => value <= self.limit,
            // An answer of one token has no pace that anybody could find too slow.
            None => !self.needs_token,
        }
    }

    /// The request's value; of several the same statistic of them that the run must hold.
    fn own_value(&mut self, request: &Figured<'_>) -> Option<f64> {
        let limit = self.limit;
        let mut count = |value: f64, times: u64| {
            self.all += times;
            self.above += if value > limit { times } else { 0 };
        };
        match self.of {
            Of::EachRequest(of) | Of::MeanOfRequests(of) => {
                let value = of(request)?;
                count(value, 1);
                Some(value)
            }
            Of::EachEvent(of) => {
                let mut values = Samples::default();
                of(request.record, &mut |gap_us, shared| {
                    let (value, times) = (milliseconds(gap_us) / f64::from(shared), u64::from(shared));
                    values.add_times(value, times);
                    count(value, times);
                });
                let own = values.distribution()?;
                // Too few for p99.9: the largest is no lower.
                Some(self.statistic.of_distribution(&own).unwrap_or(own.max))
            }
            Of::Run(_) => None,
        }
    }
}

/// What came of the objectives in a run with these metrics.
pub(super) fn judged(
    objectives: &[Objective],
    goodput: &Goodput,
    metrics: &BTreeMap<String, MetricValue>,
) -> Vec<Judged> {
    let mut counts = goodput.counts();
    let mut judge = |objective: &Objective| {
        let value = metrics.get(&objective.metric).and_then(|value| objective.statistic.of(value));
        let met = value.is_some_and(|value| value <= objective.limit);
        let known = figure::metric(&objective.metric).is_some() && !objective.is_of_run();
        let counted = if known { counts.next() } else { None };
        let (above, of) = counted.filter(|_| value.is_some()).unzip();
        Judged { objective: objective.clone(), value, met, above, of }
    };
    objectives.iter().map(&mut judge).collect()
}
