//! What both searches share: the runs of a target, and a load of another size.

use crate::schema::plan::LoadPoint;
use crate::schema::summary::RunSummary;
use crate::schema::traffic::{Traffic, Until, Warmup};

/// The runs of a label in the order of their points.
pub(super) fn of_label<'a>(label: &str, runs: &[&'a RunSummary]) -> Vec<&'a RunSummary> {
    let mut own: Vec<&RunSummary> = runs.iter().copied().filter(|run| run.key.label == label).collect();
    own.sort_by_key(|run| run.key.point);
    own
}

/// The load of a run, requests a second or in flight; a burst has none that could be compared.
pub(super) fn load_of(loads: &[LoadPoint], run: &RunSummary) -> Option<f64> {
    let load = loads.get((run.key.point as usize).checked_sub(1)?)?;
    match &load.traffic {
        Traffic::Closed { slots, .. } => Some(f64::from(slots.get())),
        Traffic::Open { arrivals, .. } => arrivals.mean_rate(),
    }
}

/// The template at another load, with no warm-up of its own: the server is warm by the first run.
pub(super) fn at_load(template: &LoadPoint, load: f64, until: Until) -> Option<LoadPoint> {
    let traffic = match &template.traffic {
        Traffic::Closed { ramp, .. } => {
            Traffic::Closed { slots: (load as u32).try_into().ok()?, ramp: *ramp }
        }
        Traffic::Open { arrivals, cap } => Traffic::Open { arrivals: arrivals.at_rate(load), cap: *cap },
    };
    Some(LoadPoint { name: None, traffic, until, warmup: Warmup::Requests(0), ..template.clone() })
}

/// So many requests, and of a closed loop so many that each slot is filled a few times: its ramp is no large part then.
pub(super) fn requests_at(template: &LoadPoint, load: f64, requests: u64) -> u64 {
    match &template.traffic {
        Traffic::Closed { .. } => requests.max(4 * load as u64),
        Traffic::Open { .. } => requests,
    }
}
