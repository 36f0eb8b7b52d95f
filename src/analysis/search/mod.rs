//! The highest load that meets the objectives: runs so far → the next run, or the limit. Pure, and the same answer
//! for the same runs, so that a search goes on from what an interrupted one left on disk.

mod posterior;
mod steps;

use std::num::NonZeroU64;

use crate::schema::figure::{self, Statistic};
use crate::schema::objective::{Judged, Limit, LimitOf, Objective, Search};
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::summary::RunSummary;
use crate::schema::traffic::{Traffic, Until, Warmup};

pub use posterior::Seen;
pub use steps::{Aim, Found, Step, Tried, step};

/// A burst finds the rate that a server carries when it is full; objectives are met below it.
const SHARE_OF_BURST: f64 = 0.7;
/// The lowest rate that is tried, requests a second.
const LOWEST_RATE: f64 = 0.01;

/// The load of a target's next run; none where its search is over. `loads` are those of the plan so far.
pub fn next_load(plan: &Plan, label: &str, loads: &[LoadPoint], runs: &[&RunSummary]) -> Option<LoadPoint> {
    let search = plan.search.as_ref()?;
    let own = of_label(label, runs);
    let template = loads.first()?;
    if own.is_empty() {
        return Some(template.clone());
    }
    // A run that was cut short says nothing that a further one could build on.
    let cut = own.iter().any(|run| run.partial.is_some());
    match step(&aim(search, template, &own)?, &tried(loads, &own)) {
        Step::Play { load, requests } if !cut => load_point(template, load, requests),
        Step::Play { .. } | Step::Done(_) => None,
    }
}

/// What is known of each target that has a run, in the order of the plan's targets.
pub fn limits(plan: &Plan, runs: &[RunSummary]) -> Vec<Limit> {
    let Some(search) = &plan.search else { return Vec::new() };
    let all: Vec<&RunSummary> = runs.iter().collect();
    plan.targets.iter().filter_map(|target| limit(plan, search, &target.label, &all)).collect()
}

fn limit(plan: &Plan, search: &Search, label: &str, runs: &[&RunSummary]) -> Option<Limit> {
    let own = of_label(label, runs);
    let aim = aim(search, plan.loads.first()?, &own)?;
    let tried = tried(&plan.loads, &own);
    let found = match step(&aim, &tried) {
        Step::Done(found) => found,
        Step::Play { .. } => steps::so_far(&aim, &tried, "it was stopped before it reached its precision"),
    };
    Some(Limit {
        label: label.to_owned(),
        of: search.of,
        value: found.value,
        low: found.low,
        high: found.high,
        runs: own.iter().map(|run| run.key.clone()).collect::<Vec<RunKey>>(),
        requests: own.iter().map(|run| run.requests.issued).sum(),
        unfinished: found.unfinished,
    })
}

/// The runs of a label in the order in which its search played them.
fn of_label<'a>(label: &str, runs: &[&'a RunSummary]) -> Vec<&'a RunSummary> {
    let mut own: Vec<&RunSummary> = runs.iter().copied().filter(|run| run.key.label == label).collect();
    own.sort_by_key(|run| run.key.point);
    own
}

fn aim(search: &Search, template: &LoadPoint, own: &[&RunSummary]) -> Option<Aim> {
    let burst = own.first().and_then(|run| match run.metrics.get(figure::RPS) {
        Some(value) => Statistic::Value.of(value),
        None => None,
    });
    let first = match search.of {
        LimitOf::Concurrency => f64::from(template.concurrency()?),
        LimitOf::Rate => template.rate().or(burst.map(|rate| rate * SHARE_OF_BURST)).unwrap_or(1.0),
    };
    let lowest = match search.of {
        LimitOf::Concurrency => 1.0,
        LimitOf::Rate => LOWEST_RATE,
    };
    Some(Aim {
        precision: search.precision,
        shortest: search.shortest,
        first: first.max(lowest),
        lowest,
        whole: search.of == LimitOf::Concurrency,
        most_runs: search.most_runs as usize,
    })
}

/// What the runs say; a burst has no load that could be compared.
fn tried(loads: &[LoadPoint], own: &[&RunSummary]) -> Vec<Tried> {
    own.iter()
        .filter_map(|run| {
            let load = loads.get((run.key.point as usize).checked_sub(1)?)?;
            let load = match &load.traffic {
                Traffic::Closed { slots, .. } => f64::from(slots.get()),
                Traffic::Open { arrivals, .. } => arrivals.mean_rate()?,
            };
            Some(Tried { load, requests: run.requests.completed.max(1), seen: seen(run) })
        })
        .collect()
}

/// What a run says of each objective of requests; [`Seen::Beyond`] of all where too many requests failed, or were
/// never answered.
fn seen(run: &RunSummary) -> Vec<Seen> {
    let allowed = run.objectives.iter().find(|judged| judged.objective.is_of_run());
    let allowed_pct = allowed.map_or(0.0, |judged| judged.objective.limit);
    let lost_pct =
        100.0 * (run.requests.issued - run.requests.completed) as f64 / run.requests.issued.max(1) as f64;
    let of_requests = run.objectives.iter().filter(|judged| !judged.objective.is_of_run());
    let one =
        |judged: &Judged| match (judged.value, judged.above, judged.of, allowed_share(&judged.objective)) {
            _ if lost_pct > allowed_pct => Seen::Beyond,
            (Some(_), Some(above), Some(of), Some(allowed)) if of > 0 => {
                Seen::Share { above: above as f64, of: of as f64, allowed }
            }
            (Some(value), _, of, _) if value > 0.0 => {
                let of = of.unwrap_or(run.requests.completed).max(1) as f64;
                Seen::Ratio { ratio: judged.objective.limit / value, of }
            }
            (Some(_) | None, _, _, _) => Seen::Beyond,
        };
    of_requests.map(one).collect()
}

/// Share of the values that a percentile allows above its limit; none of what is no percentile.
pub fn allowed_share(objective: &Objective) -> Option<f64> {
    match objective.statistic {
        Statistic::P50 => Some(0.5),
        Statistic::P75 => Some(0.25),
        Statistic::P90 => Some(0.1),
        Statistic::P95 => Some(0.05),
        Statistic::P99 => Some(0.01),
        Statistic::P999 => Some(0.001),
        Statistic::Mean | Statistic::Std | Statistic::Min | Statistic::Max | Statistic::Value => None,
    }
}

/// The template at another load, with no warm-up of its own: the server is warm by the first run.
fn load_point(template: &LoadPoint, load: f64, requests: u64) -> Option<LoadPoint> {
    let (traffic, requests) = match &template.traffic {
        // Each slot is filled a few times, so that the ramp is no large part of it.
        Traffic::Closed { ramp, .. } => {
            let slots = load as u32;
            (
                Traffic::Closed { slots: slots.try_into().ok()?, ramp: *ramp },
                requests.max(4 * u64::from(slots)),
            )
        }
        Traffic::Open { arrivals, cap } => {
            (Traffic::Open { arrivals: arrivals.at_rate(load), cap: *cap }, requests)
        }
    };
    let until = Until::after_requests(NonZeroU64::new(requests)?);
    Some(LoadPoint { name: None, traffic, until, warmup: Warmup::Requests(0), ..template.clone() })
}
