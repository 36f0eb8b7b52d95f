//! Which launch plays which runs, in which order: a pure function of the plan and of what is on disk.

use std::collections::BTreeSet;

use crate::schema::plan::{Plan, RunKey};

/// One launch of one target, and the runs that are played on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Place in [`Plan::targets`].
    pub target: usize,
    /// The target's label.
    pub label: String,
    /// Which round, from 1.
    pub round: u32,
    /// The runs, in the order of play.
    pub runs: Vec<RunKey>,
}

/// The visits of a plan, without the runs in `closed`. A visit that has no run left is left out.
///
/// Rounds alternate in order: A B C, C B A, C B A, A B C, and so on, so that a drift of the machine meets every target
/// alike. Turning at every round would do that too, but then neighbouring rounds' ratios resemble each other: under a
/// drift with ρ 0.5 between runs a server was called different from itself in 6.9 % of ten rounds in place of 5 %
/// (`cargo bench --bench verdicts`).
/// Within a launch all points are played in their order, and then all of them again for the next repeat:
/// the repeats of a point lie as far apart as they can.
pub fn visits(plan: &Plan, closed: &BTreeSet<RunKey>) -> Vec<Visit> {
    let mut visits = Vec::new();
    for round in 1..=plan.rounds {
        let mut order: Vec<usize> = (0..plan.targets.len()).collect();
        if matches!(round % 4, 2 | 3) {
            order.reverse();
        }
        for target in order {
            let Some(label) = plan.targets.get(target).map(|target| target.label.clone()) else { continue };
            let runs: Vec<RunKey> = match &plan.search {
                // What is played next is known only when a run is over: the first stands for all.
                Some(_) => vec![RunKey { round, ..RunKey::first(&label) }],
                None => runs(plan, &label, round).filter(|key| !closed.contains(key)).collect(),
            };
            if !runs.is_empty() {
                visits.push(Visit { target, label, round, runs });
            }
        }
    }
    visits
}

/// The runs of one launch, in the order of play.
fn runs<'a>(plan: &'a Plan, label: &'a str, round: u32) -> impl Iterator<Item = RunKey> + 'a {
    let points = 1..=plan.loads.len() as u32;
    (1..=plan.repeats).flat_map(move |repeat| {
        points.clone().map(move |point| RunKey { label: label.to_owned(), point, round, repeat })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::fixture::plan;

    /// `a1`: label and round of a visit, then its runs as `point.repeat`.
    fn shown(visits: &[Visit]) -> Vec<String> {
        let runs = |visit: &Visit| {
            let runs: Vec<String> =
                visit.runs.iter().map(|key| format!("{}.{}", key.point, key.repeat)).collect();
            format!("{}{} {}", visit.label, visit.round, runs.join(" "))
        };
        visits.iter().map(runs).collect()
    }

    #[test]
    fn one_round_plays_each_target_once_in_the_plans_order() {
        let visits = visits(&plan(&["a", "b"], 1, 1, 1), &BTreeSet::new());
        assert_eq!(shown(&visits), ["a1 1.1", "b1 1.1"]);
        assert_eq!(visits.iter().map(|visit| visit.target).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn rounds_alternate_in_order() {
        let visits = visits(&plan(&["a", "b", "c"], 1, 5, 1), &BTreeSet::new());
        let order: String = visits.iter().map(|visit| visit.label.as_str()).collect();
        assert_eq!(order, "abccbacbaabcabc");
    }

    #[test]
    fn a_launch_plays_every_point_before_it_repeats_one() {
        let visits = visits(&plan(&["a"], 3, 1, 2), &BTreeSet::new());
        assert_eq!(shown(&visits), ["a1 1.1 2.1 3.1 1.2 2.2 3.2"]);
    }

    #[test]
    fn what_is_closed_is_left_out_and_an_empty_visit_with_it() {
        let plan = plan(&["a", "b"], 1, 2, 2);
        let closed = |round, repeat| RunKey { label: "b".into(), point: 1, round, repeat };
        let left = visits(&plan, &BTreeSet::from([closed(1, 1), closed(1, 2), closed(2, 1)]));
        assert_eq!(shown(&left), ["a1 1.1 1.2", "b2 1.2", "a2 1.1 1.2"]);
    }

    proptest::proptest! {
        /// Whatever is closed: together with what is left it is every run of the plan, each once.
        #[test]
        fn every_run_is_played_once(
            targets in 1usize..5, points in 1usize..5, rounds in 1u32..5, repeats in 1u32..4,
            mask in proptest::collection::vec(proptest::bool::ANY, 5 * 5 * 5 * 4),
        ) {
            let labels: Vec<String> = (0..targets).map(|number| format!("t{number}")).collect();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let plan = plan(&labels, points, rounds, repeats);
            let all: Vec<RunKey> =
                visits(&plan, &BTreeSet::new()).into_iter().flat_map(|visit| visit.runs).collect();
            let distinct: BTreeSet<RunKey> = all.iter().cloned().collect();
            proptest::prop_assert_eq!(distinct.len(), all.len());
            proptest::prop_assert_eq!(all.len(), plan.run_count());
            let closed: BTreeSet<RunKey> =
                all.iter().zip(&mask).filter(|(_, closed)| **closed).map(|(key, _)| key.clone()).collect();
            let left: Vec<RunKey> = visits(&plan, &closed).into_iter().flat_map(|visit| visit.runs).collect();
            let rest: Vec<RunKey> = all.into_iter().filter(|key| !closed.contains(key)).collect();
            proptest::prop_assert_eq!(left, rest);
        }
    }
}
