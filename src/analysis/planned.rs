//! The doubts that a run's plan and machine raise, whatever its records say.

use crate::schema::plan::Plan;
use crate::schema::summary::Caveat;

/// They come first among the run's caveats.
pub fn plan_caveats(plan: &Plan) -> Vec<Caveat> {
    plan.simulated.then_some(Caveat::Simulated).into_iter().collect()
}
