//! Objectives held against requests (goodput) and against the statistics of a run.

use std::collections::BTreeMap;

use crate::schema::figure::{self, Of, Statistic};
use crate::schema::objective::{Judged, Objective};
use crate::schema::record::RequestRecord;
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
            })
        };
        let limits = of_request.filter_map(limit).collect();
        Goodput { limits: (!objectives.is_empty()).then_some(limits), good: 0 }
    }

    /// Adds a completed request.
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let Some(limits) = &self.limits else { return };
        self.good += u64::from(limits.iter().all(|limit| limit.is_met_by(record)));
    }

    /// Requests that met every objective; none where there is no objective, or one of a pace that is not known.
    pub(super) fn good(&self, pace_is_known: bool) -> Option<u64> {
        let limits = self.limits.as_ref()?;
        (pace_is_known || !limits.iter().any(|limit| limit.is_pace)).then_some(self.good)
    }
}

impl RequestLimit {
    fn is_met_by(&self, record: &RequestRecord) -> bool {
        match self.own_value(record) {
            Some(value) => value <= self.limit,
            // An answer of one token has no pace that anybody could find too slow.
            None => !self.needs_token,
        }
    }

    /// The request's value; of several the same statistic of them that the run must hold.
    fn own_value(&self, record: &RequestRecord) -> Option<f64> {
        match self.of {
            Of::EachRequest(of) | Of::MeanOfRequests(of) => of(record),
            Of::EachEvent(of) => {
                let mut values = Samples::default();
                of(record, &mut |value, times| values.add_times(value, times));
                let own = values.distribution()?;
                // Too few for p99.9: the largest is no lower.
                Some(self.statistic.of_distribution(&own).unwrap_or(own.max))
            }
            Of::Run(_) => None,
        }
    }
}

/// What came of the objectives in a run with these metrics.
pub(super) fn judged(objectives: &[Objective], metrics: &BTreeMap<String, MetricValue>) -> Vec<Judged> {
    let judge = |objective: &Objective| {
        let value = metrics.get(&objective.metric).and_then(|value| objective.statistic.of(value));
        let met = value.is_some_and(|value| value <= objective.limit);
        Judged { objective: objective.clone(), value, met }
    };
    objectives.iter().map(judge).collect()
}
