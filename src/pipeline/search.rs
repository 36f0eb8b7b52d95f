//! Which run of a search comes next on a launch: its load follows from the runs before.

use crate::analysis::next_load;
use crate::schema::objective::Strategy;
use crate::schema::plan::{LoadPoint, Plan, RunKey};

use super::derive::Derived;

/// The next run of a target with its load; none where its search is over.
pub fn next(plan: &Plan, label: &str, loads: &[LoadPoint], runs: &[Derived]) -> Option<(RunKey, LoadPoint)> {
    let summaries: Vec<_> = runs.iter().map(|run| &run.file.summary).collect();
    let load = next_load(plan, label, loads, &summaries)?;
    let has_run = summaries.iter().any(|run| run.key.label == label);
    // The first load is the same for all; each later one is a point of its own.
    let new = loads.len() as u32 + 1;
    let point = if has_run { shared(plan, &load, loads).unwrap_or(new) } else { 1 };
    Some((RunKey { point, ..RunKey::first(label) }, load))
}

/// The point of a curve at which another target was offered the same traffic: both are compared there. No target plays
/// one load of its curve twice.
fn shared(plan: &Plan, load: &LoadPoint, loads: &[LoadPoint]) -> Option<u32> {
    match plan.search.as_ref()?.strategy {
        Strategy::Limit { .. } => None,
        Strategy::Curve { .. } => {
            let place = loads.iter().position(|other| other.traffic == load.traffic)?;
            Some(place as u32 + 1)
        }
    }
}
