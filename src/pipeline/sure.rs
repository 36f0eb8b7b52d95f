//! When a plan that plays until it is sure is over: a pure function of its closed runs and of the visits that failed.

use crate::analysis::{Sureness, sureness};
use crate::schema::comparison::FailedTarget;
use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;
use crate::schema::verdict::ROUNDS_FOR_A_VERDICT;

use super::closed::Closed;
use super::event::Event;
use super::session::Stage;

/// The round after which nothing more is to be known; none where rounds are still to be played, and for a plan that
/// plays all of its rounds.
pub fn stops_after(plan: &Plan, runs: &[RunSummary], failed: &[FailedTarget]) -> Option<u32> {
    plan.until_sure_pct?;
    (ROUNDS_FOR_A_VERDICT..=plan.rounds)
        .take_while(|round| is_over(plan, *round, runs, failed))
        .find(|round| sureness(plan, runs, *round).is_some_and(|state| state.sure))
}

/// The plan with as many rounds as it took.
pub fn as_played(plan: &Plan, runs: &[RunSummary], failed: &[FailedTarget]) -> Plan {
    let rounds = stops_after(plan, runs, failed).unwrap_or(plan.rounds);
    Plan { rounds, ..plan.clone() }
}

/// Looks at the rounds so far when one has ended, and tells what it sees. True: no further one is needed.
pub(super) fn look(stage: &Stage<'_>, round: u32, closed: &Closed<'_>) -> bool {
    let plan = &stage.session.plan;
    if plan.until_sure_pct.is_none() {
        return false;
    }
    let runs = summaries(closed);
    if !is_over(plan, round, &runs, &closed.failed) {
        return false;
    }
    let Some(state) = sureness(plan, &runs, round) else { return false };
    let Sureness { sure, .. } = state;
    (stage.listen)(Event::Looked { state: &state, rounds_max: plan.rounds });
    sure
}

pub(super) fn summaries(closed: &Closed<'_>) -> Vec<RunSummary> {
    closed.runs.iter().map(|run| run.file.summary.clone()).collect()
}

/// Every target has played its runs of the round, or failed in it.
fn is_over(plan: &Plan, round: u32, runs: &[RunSummary], failed: &[FailedTarget]) -> bool {
    let of_launch = plan.loads.len() * plan.repeats as usize;
    plan.targets.iter().all(|target| {
        let own = |run: &&RunSummary| run.key.label == target.label && run.key.round == round;
        let fell = |failed: &FailedTarget| failed.label == target.label && failed.round == round;
        runs.iter().filter(own).count() == of_launch || failed.iter().any(fell)
    })
}
