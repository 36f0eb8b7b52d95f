//! The rule by which rounds are judged: as many as were asked for, or until they are sure.

use std::sync::Arc;

use crate::schema::plan::Plan;
use crate::schema::verdict::ROUNDS_FOR_A_VERDICT;

use super::sequential::Looks;

/// The chance of a false alarm that a comparison may have, and that an interval misses the truth.
pub(super) const LEVEL: f64 = 0.05;

/// How rounds are judged.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// One look, at the end.
    Fixed,
    /// A look after each round.
    Sequential(Arc<Looks>),
}

impl Rule {
    pub(super) fn of(plan: &Plan) -> Rule {
        match plan.until_sure_pct {
            None => Rule::Fixed,
            Some(_) => Rule::Sequential(Looks::of(plan.rounds)),
        }
    }

    /// The level of the test after so many rounds, where the whole procedure is to have the level `overall`; none where
    /// they are too few.
    pub(super) fn level(&self, rounds: u32, overall: f64) -> Option<f64> {
        if rounds < ROUNDS_FOR_A_VERDICT {
            return None;
        }
        Some(match self {
            Rule::Fixed => overall,
            Rule::Sequential(looks) => looks.nominal(rounds, overall),
        })
    }

    /// The p value of the whole procedure.
    pub(super) fn overall_p(&self, rounds: u32, p: f64) -> f64 {
        match self {
            Rule::Fixed => p,
            Rule::Sequential(looks) => looks.repeated_p(rounds, p),
        }
    }
}
