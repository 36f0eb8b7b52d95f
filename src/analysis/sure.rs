//! Whether the rounds so far are enough: each pair decided, or shown to be within a few percent.

use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;
use crate::schema::verdict::ROUNDS_FOR_A_VERDICT;

use super::compare::{ComparisonInput, judged};
use super::standing::{Standing, is_open, standings};

/// The state of the rounds that every target closed, and how many they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Sureness {
    /// Rounds that were looked at.
    pub rounds: u32,
    /// Each figure that is waited for.
    pub standings: Vec<Standing>,
    /// None of them is open.
    pub sure: bool,
}

/// The state after some rounds of a plan, as if no later one had been played: a pure function of their runs. None below
/// three rounds, and for a plan that plays all of its rounds.
pub fn sureness(plan: &Plan, runs: &[RunSummary], rounds: u32) -> Option<Sureness> {
    let within_pct = plan.until_sure_pct?;
    if rounds < ROUNDS_FOR_A_VERDICT {
        return None;
    }
    let so_far: Vec<RunSummary> = runs.iter().filter(|run| run.key.round <= rounds).cloned().collect();
    let pairs = judged(ComparisonInput { plan, failed: &[] }, &so_far).pairs;
    let standings = standings(&pairs, within_pct);
    Some(Sureness { rounds, sure: !is_open(&standings), standings })
}
