//! The doubts that a run's plan and machine raise, beside those of its records.

use crate::schema::caveat::Caveat;
use crate::schema::environment::Environment;
use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;

use super::exactness::beyond_calibration;

/// They come first among the run's caveats.
pub fn plan_caveats(plan: &Plan, environment: &Environment, summary: &RunSummary) -> Vec<Caveat> {
    let simulated = plan.simulated.then_some(Caveat::Simulated);
    simulated
        .into_iter()
        .chain(beyond_calibration(&plan.load, plan.client_threads, environment.exact_up_to, summary))
        .collect()
}
