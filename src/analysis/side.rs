//! The runs of one label at one load, round by round: what ratios and estimates are made of.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::figure::{Metric, Statistic};
use crate::schema::plan::Plan;
use crate::schema::summary::{MetricValue, RunSummary};

/// Values that a percentile needs: of fewer a p99 is little more than the largest.
const VALUES_FOR_P99: u64 = 100;

/// The runs of one label at one load that did the whole work.
#[derive(Debug, Clone)]
pub(super) struct Side<'a> {
    pub(super) label: &'a str,
    pub(super) point: u32,
    by_round: BTreeMap<u32, Vec<&'a RunSummary>>,
}

/// Every side of a plan: points in their order, labels in the order of the plan's targets; none is left out.
pub(super) fn sides<'a>(plan: &'a Plan, runs: &'a [RunSummary]) -> Vec<Side<'a>> {
    let mut sides: Vec<Side<'a>> = (1..=plan.loads.len() as u32)
        .flat_map(|point| plan.targets.iter().map(move |target| (point, target.label.as_str())))
        .map(|(point, label)| Side { label, point, by_round: BTreeMap::new() })
        .collect();
    for run in runs.iter().filter(|run| takes_part(run)) {
        let own = |side: &&mut Side<'_>| side.point == run.key.point && side.label == run.key.label;
        if let Some(side) = sides.iter_mut().find(own) {
            side.by_round.entry(run.key.round).or_default().push(run);
        }
    }
    sides
}

impl Side<'_> {
    /// It has no run.
    pub(super) fn is_empty(&self) -> bool {
        self.by_round.is_empty()
    }

    /// A run of it is one under which the queue grew.
    pub(super) fn is_saturated(&self) -> bool {
        self.by_round.values().flatten().any(|run| run.is_saturated())
    }

    /// One value a round, the median of its repeats; a round in which no run has the figure is left out.
    pub(super) fn values(&self, metric: &Metric, statistic: Statistic) -> BTreeMap<u32, f64> {
        let of = |run: &&RunSummary| run.metrics.get(metric.name).and_then(|value| statistic.of(value));
        let round =
            |runs: &Vec<&RunSummary>| median(runs.iter().filter_map(of).filter(|v| v.is_finite()).collect());
        self.by_round.iter().filter_map(|(number, runs)| Some((*number, round(runs)?))).collect()
    }

    /// Every run that has the metric has values enough for the statistic.
    pub(super) fn carries(&self, metric: &Metric, statistic: Statistic) -> bool {
        let needed = match statistic {
            Statistic::P99 => VALUES_FOR_P99,
            // It is absent where the values are too few.
            Statistic::P999 => 0,
            Statistic::Mean | Statistic::Std | Statistic::Min | Statistic::P50 | Statistic::P75 => 0,
            Statistic::P90 | Statistic::P95 | Statistic::Max | Statistic::Value => 0,
        };
        let mut held = self.by_round.values().flatten().filter_map(|run| run.metrics.get(metric.name));
        held.all(|value| match value {
            MetricValue::Distribution(distribution) => distribution.count >= needed,
            MetricValue::Scalar(_) => true,
        })
    }
}

/// A run that completed nothing, did not reach its end or failed over 1 % of its requests did not do the
/// same work.
pub(super) fn takes_part(run: &RunSummary) -> bool {
    let fails = run.caveats.iter().any(|caveat| matches!(caveat, Caveat::Failures { .. }));
    run.requests.completed > 0 && run.partial.is_none() && !fails
}

/// The middle value; of an even number the mean of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.checked_sub(1)?).map(|lower| (lower + upper) / 2.0)
}
