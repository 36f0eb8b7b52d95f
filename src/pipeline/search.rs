//! A search on one launch: each run's load follows from the runs before.

use crate::analysis::next_load;
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::target::Target;

use super::closed::Closed;
use super::derive::Derived;
use super::failure::{Failure, Reach};
use super::measure::{CutShort, Standing};
use super::one_run;
use super::session::Stage;
use super::visits::Visit;

/// The next run of a target with its load; none where its search is over.
pub fn next(plan: &Plan, label: &str, loads: &[LoadPoint], runs: &[Derived]) -> Option<(RunKey, LoadPoint)> {
    let summaries: Vec<_> = runs.iter().map(|run| &run.file.summary).collect();
    let load = next_load(plan, label, loads, &summaries)?;
    let has_run = summaries.iter().any(|run| run.key.label == label);
    // The first load is the same for all; each later one is a point of its own.
    let point = if has_run { loads.len() as u32 + 1 } else { 1 };
    Some((RunKey { point, ..RunKey::first(label) }, load))
}

/// Plays runs until the search of this visit's target is over.
///
/// # Errors
/// The server died, or a run gave no result.
pub async fn play(
    stage: &Stage<'_>,
    visit: &Visit,
    target: &Target,
    standing: &mut Standing,
    closed: &mut Closed<'_>,
) -> Result<(), Failure> {
    let plan = &stage.session.plan;
    while let Some((key, load)) = next(plan, &visit.label, &closed.loads, &closed.runs) {
        if *stage.shutdown.borrow() {
            return Ok(());
        }
        if key.point as usize > closed.loads.len() {
            closed.loads.push(load);
        }
        match one_run::one(stage, target, standing, &key, closed).await? {
            None => {}
            Some(CutShort::Interrupted | CutShort::NotSaved) => return Ok(()),
            Some(cut @ CutShort::GuardDied) => {
                return Err(Failure { reach: Reach::Everything, ..Failure::of_target(cut.reason()) });
            }
            Some(cut @ (CutShort::ServerDied(_) | CutShort::NotPlayed(_))) => {
                return Err(Failure::of_target(format!("{}: its search ended there", cut.reason())));
            }
        }
    }
    Ok(())
}
