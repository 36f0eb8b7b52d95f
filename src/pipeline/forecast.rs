//! About how long a plan still takes: by its own bounds, by its closed runs, by earlier runs on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::results::PastRun;
use crate::schema::plan::{LoadPoint, Plan, RunKey};

use super::visits::Visit;

/// What is left of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Its time.
    pub time: Duration,
    /// Everything is in it; else some launches or runs are not known yet.
    pub whole: bool,
}

/// Keeps what is known of the time that launches and runs take.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    plan: Plan,
    /// Seconds of a run of a label at a point.
    run_s: BTreeMap<(String, u32), f64>,
    /// Seconds from launch to readiness of a label; 0 for a server that already runs.
    ready_s: BTreeMap<String, f64>,
    left: Vec<Visit>,
}

impl Forecast {
    /// Knows the plan's own bounds and what earlier runs of the same label, model and load took: a run of
    /// R requests is taken to need R times the seconds a request of the newest such run.
    pub fn new(plan: &Plan, past: &[PastRun]) -> Self {
        let mut forecast = Forecast {
            plan: plan.clone(),
            run_s: BTreeMap::new(),
            ready_s: BTreeMap::new(),
            left: Vec::new(),
        };
        for target in &plan.targets {
            let of_target = |run: &&PastRun| run.label == target.label && run.model == target.model.name;
            for (place, load) in plan.loads.iter().enumerate() {
                let newest = past.iter().rev().filter(of_target).find(|run| is_like(run, load));
                let past_s = newest.and_then(|run| run_seconds(run, load));
                if let Some(seconds) = planned_seconds(load).or(past_s) {
                    forecast.run_s.insert((target.label.clone(), place as u32 + 1), seconds);
                }
            }
            let ready_s =
                match (&plan.launching, past.iter().rev().filter(of_target).find_map(|run| run.ready_s)) {
                    (None, _) => Some(0.0),
                    (Some(_), known) => known,
                };
            if let Some(seconds) = ready_s {
                forecast.ready_s.insert(target.label.clone(), seconds);
            }
        }
        forecast
    }

    /// These visits are to be played.
    pub fn begin(&mut self, visits: &[Visit]) {
        self.left = visits.to_vec();
    }

    /// A launch took so long.
    pub fn launched(&mut self, label: &str, after: Duration) {
        self.ready_s.insert(label.to_owned(), after.as_secs_f64());
    }

    /// A run is over; its measured phase took so many seconds.
    pub fn closed(&mut self, key: &RunKey, duration_s: f64) {
        self.run_s.insert((key.label.clone(), key.point), duration_s);
        for visit in &mut self.left {
            visit.runs.retain(|left| left != key);
        }
        self.left.retain(|visit| !visit.runs.is_empty());
    }

    /// What is left; none where nothing of it is known.
    pub fn left(&self) -> Option<Left> {
        let mut seconds = 0.0;
        let (mut known, mut unknown) = (0, 0);
        let mut add = |part: Option<f64>| match part {
            Some(part) => {
                known += 1;
                seconds += part;
            }
            None => unknown += 1,
        };
        for visit in &self.left {
            let begun = visit.runs.len() < self.plan.loads.len() * self.plan.repeats as usize;
            if !begun {
                add(self.ready_s.get(&visit.label).copied());
            }
            for key in &visit.runs {
                add(self.run_s.get(&(key.label.clone(), key.point)).copied());
            }
        }
        (known > 0).then(|| Left { time: Duration::from_secs_f64(seconds), whole: unknown == 0 })
    }
}

/// A load that a duration ends: that long, and its warm-up where that is a time too.
fn planned_seconds(load: &LoadPoint) -> Option<f64> {
    load.until.duration_s()
}

fn is_like(run: &PastRun, load: &LoadPoint) -> bool {
    run.concurrency == load.concurrency() && run.rate == load.rate()
}

fn run_seconds(run: &PastRun, load: &LoadPoint) -> Option<f64> {
    let requests = load.until.requests()? as f64;
    (run.issued > 0).then(|| requests * run.duration_s / run.issued as f64)
}
