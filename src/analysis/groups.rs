//! Runs → groups by point and label: the median and the range of each figure, and the best of each point.

use std::collections::BTreeMap;

use crate::schema::comparison::{Estimate, Group, Over};
use crate::schema::figure::{Better, METRICS, Metric, Shape, Statistic};
use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;
use crate::schema::verdict::{Interval, ROUNDS_FOR_A_VERDICT};

use super::ratio::Spread;
use super::rule::{LEVEL, Rule};
use super::side::{median, takes_part};
use super::verdicts::Judged;

/// The groups of a plan that have a run: points in their order, labels in the order of the plan's targets.
pub(super) fn groups(plan: &Plan, runs: &[RunSummary], judged: &Judged) -> Vec<Group> {
    let rule = Rule::of(plan);
    let mut groups = Vec::new();
    for point in 1..=plan.loads.len() as u32 {
        let mut of_point: Vec<(Group, bool)> = Vec::new();
        for target in &plan.targets {
            let own: Vec<&RunSummary> =
                runs.iter().filter(|run| run.key.point == point && run.key.label == target.label).collect();
            of_point.extend(group(&target.label, point, &own, &rule));
        }
        mark_best(&mut of_point, judged);
        groups.extend(of_point.into_iter().map(|(group, _)| group));
    }
    groups
}

/// The group of some runs, and whether it takes part in the search for the best; none without a run. Runs that
/// did not do the same work are left out of the estimates where there are others.
fn group(label: &str, point: u32, runs: &[&RunSummary], rule: &Rule) -> Option<(Group, bool)> {
    if runs.is_empty() {
        return None;
    }
    let sound: Vec<&RunSummary> = runs.iter().copied().filter(|run| takes_part(run)).collect();
    let used = if sound.is_empty() { runs } else { &sound };
    let mut by_round: BTreeMap<u32, Vec<&RunSummary>> = BTreeMap::new();
    for run in used {
        by_round.entry(run.key.round).or_default().push(run);
    }
    let over = match (by_round.len(), used.len()) {
        (_, 1) => Over::Run,
        (1, _) => Over::Repeats,
        (_, _) => Over::Rounds,
    };
    let mut estimates = BTreeMap::new();
    for metric in METRICS {
        for statistic in metric.statistics() {
            let values = values(metric, *statistic, over, &by_round);
            estimates
                .extend(estimate(values, over, rule).map(|estimate| (metric.column(*statistic), estimate)));
        }
    }
    let runs = runs.iter().map(|run| run.key.clone()).collect();
    let group = Group { label: label.to_owned(), point, runs, over, estimates, best: BTreeMap::new() };
    Some((group, !sound.is_empty()))
}

/// One value a round, the median of its repeats; of a single round one a repeat.
fn values(
    metric: &Metric,
    statistic: Statistic,
    over: Over,
    by_round: &BTreeMap<u32, Vec<&RunSummary>>,
) -> Vec<f64> {
    let of = |run: &&RunSummary| run.metrics.get(metric.name).and_then(|value| statistic.of(value));
    let finite = |value: &f64| value.is_finite();
    let rounds =
        by_round.values().map(|runs| runs.iter().filter_map(of).filter(finite).collect::<Vec<f64>>());
    match over {
        Over::Run | Over::Repeats => rounds.flatten().collect(),
        Over::Rounds => rounds.filter_map(median).collect(),
    }
}

fn estimate(values: Vec<f64>, over: Over, rule: &Rule) -> Option<Estimate> {
    let interval = match over {
        Over::Rounds => interval(&values, rule),
        Over::Run | Over::Repeats => None,
    };
    let n = values.len() as u32;
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    Some(Estimate { value: median(values)?, low, high, n, interval })
}

/// Student's t over rounds: of positive values on their logarithms. No figure is negative.
fn interval(values: &[f64], rule: &Rule) -> Option<Interval> {
    let level = rule.level(values.len() as u32, LEVEL)?;
    if values.iter().all(|value| *value > 0.0) {
        return Spread::of(&values.iter().map(|value| value.ln()).collect::<Vec<f64>>())?
            .ratio_interval(level);
    }
    let Interval { low, high } = Spread::of(values)?.interval(level)?;
    Some(Interval { low: low.max(0.0), high })
}

/// Marks the best of each metric at one point: a distribution by its median, a scalar by its value. With
/// fewer than two groups that take part, or two that are equal, there is no best. From three rounds on the best is only
/// who is shown to be better than each other one: a lead that may be chance is none.
fn mark_best(groups: &mut [(Group, bool)], judged: &Judged) {
    for metric in METRICS {
        let statistic = match metric.shape() {
            Shape::Scalar => Statistic::Value,
            Shape::Distribution => Statistic::P50,
        };
        let column = metric.column(statistic);
        let value = |(group, takes_part): &(Group, bool)| {
            group.estimates.get(&column).filter(|_| *takes_part).map(|estimate| estimate.value)
        };
        if let Some(best) = best_place(metric.better, &groups.iter().map(value).collect::<Vec<_>>())
            && is_shown(groups, best, &column, judged)
            && let Some((group, _)) = groups.get_mut(best)
        {
            group.best.insert(metric.name.to_owned(), statistic);
        }
    }
}

/// The lead of a group over each other one with the figure is a verdict, where there are rounds enough for verdicts.
fn is_shown(groups: &[(Group, bool)], best: usize, column: &str, judged: &Judged) -> bool {
    let Some((own, _)) = groups.get(best) else { return false };
    let enough = |group: &Group| {
        group.over == Over::Rounds
            && group.estimates.get(column).is_some_and(|estimate| estimate.n >= ROUNDS_FOR_A_VERDICT)
    };
    let others = || groups.iter().filter(|(group, takes_part)| *takes_part && group.label != own.label);
    let with_figure =
        || others().map(|(group, _)| group).filter(|group| group.estimates.contains_key(column));
    if !enough(own) && !with_figure().any(enough) {
        return true;
    }
    with_figure().all(|other| judged.leads(own.point, &own.label, &other.label, column) == Some(true))
}

/// The place of the value that is better than every other one; none among fewer than two.
fn best_place(better: Better, values: &[Option<f64>]) -> Option<usize> {
    let is_better = |left: f64, right: f64| match better {
        Better::Lower => left < right,
        Better::Higher => left > right,
    };
    let known = |place: usize| values.get(place).copied().flatten();
    let known_places: Vec<usize> = (0..values.len()).filter(|place| known(*place).is_some()).collect();
    if known_places.len() < 2 {
        return None;
    }
    known_places.iter().copied().find(|place| {
        let others = known_places.iter().filter(|other| *other != place);
        others
            .copied()
            .all(|other| known(*place).zip(known(other)).is_some_and(|(own, other)| is_better(own, other)))
    })
}
