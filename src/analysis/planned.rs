//! The doubts that a run's plan and machine raise, beside those of its records.

use crate::schema::caveat::Caveat;
use crate::schema::files::RecordsHeader;
use crate::schema::summary::RunSummary;

use super::exactness::beyond_calibration;

/// They come first among the run's caveats.
pub fn plan_caveats(header: &RecordsHeader, summary: &RunSummary) -> Vec<Caveat> {
    let simulated = header.plan.simulated.then_some(Caveat::Simulated);
    let exact_up_to = header.environment.exact_up_to;
    let threads = header.plan.client_threads;
    let beyond = header.load().and_then(|load| beyond_calibration(load, threads, exact_up_to, summary));
    simulated.into_iter().chain(beyond).collect()
}
