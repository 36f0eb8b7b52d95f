//! Runs of a plan that were never played, so that no comparison leaves one out in silence.

use std::collections::BTreeSet;

use crate::schema::comparison::FailedTarget;
use crate::schema::plan::{Plan, RunKey};

use super::visits::visits;

/// A line for each target that lacks runs and of which no failure says why.
pub fn missing(
    plan: &Plan,
    played: &BTreeSet<RunKey>,
    failed: &[FailedTarget],
    why: &str,
) -> Vec<FailedTarget> {
    let mut left = visits(plan, played);
    if plan.search.is_some() {
        // Of a search that has begun its limit says how far it came.
        left.retain(|visit| !played.iter().any(|key| key.label == visit.label));
    }
    let all = plan.loads.len() * plan.rounds as usize * plan.repeats as usize;
    let targets =
        plan.targets.iter().filter(|target| !failed.iter().any(|known| known.label == target.label));
    let of_target = |label: &str| {
        let visits: Vec<_> = left.iter().filter(|visit| visit.label == label).collect();
        let runs: usize = visits.iter().map(|visit| visit.runs.len()).sum();
        visits.first().map(|first| (first.round, runs))
    };
    targets
        .filter_map(|target| {
            let (round, runs) = of_target(&target.label)?;
            let error = if runs == all || plan.search.is_some() {
                format!("not measured: {why}")
            } else {
                format!("{runs} of {all} runs were not measured: {why}")
            };
            Some(FailedTarget { label: target.label.clone(), round, error, hint: String::new() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::fixture::plan;

    #[test]
    fn a_target_that_lacks_runs_is_named_with_how_many_unless_a_failure_says_why() {
        let plan = plan(&["whole", "half", "none", "failed"], 1, 2, 1);
        let key = |label: &str, round| RunKey { round, ..RunKey::first(label) };
        let played = BTreeSet::from([key("whole", 1), key("whole", 2), key("half", 1)]);
        let failure =
            FailedTarget { label: "failed".into(), round: 1, error: "died".into(), hint: String::new() };
        let lines: Vec<String> = missing(&plan, &played, &[failure], "it ended")
            .into_iter()
            .map(|missing| format!("{} {}: {}", missing.label, missing.round, missing.error))
            .collect();
        assert_eq!(
            lines,
            ["half 2: 1 of 2 runs were not measured: it ended", "none 1: not measured: it ended"]
        );
    }
}
