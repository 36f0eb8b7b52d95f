//! What is played next, where loads follow from runs: runs so far → the next run, or what was found. Pure, and the same
//! answer for the same runs, so that a search goes on from what an interrupted one left on disk.

mod curve;
mod posterior;
mod runs;
mod steps;

use std::num::NonZeroU64;

use crate::schema::caveat::Caveat;
use crate::schema::figure::{self, Metric, Statistic};
use crate::schema::objective::{Judged, Knee, Limit, LimitOf, Objective, Search, Strategy};
use crate::schema::plan::{LoadPoint, Plan, RunKey};
use crate::schema::summary::RunSummary;
use crate::schema::traffic::Until;

use curve::{CurveAim, Played};
use runs::{at_load, load_of, of_label, requests_at};

pub use posterior::Seen;
pub use steps::{Aim, Found, Step, Tried, step};

/// A burst finds the rate that a server carries when it is full; objectives are met below it.
const SHARE_OF_BURST: f64 = 0.7;
/// A curve begins far below it.
const CURVE_SHARE_OF_BURST: f64 = 0.25;
/// The lowest rate that is tried, requests a second.
const LOWEST_RATE: f64 = 0.01;
/// A run of a curve takes as long as so many answers, and has so many requests at least and at most.
const ANSWERS: f64 = 10.0;
const CURVE_REQUESTS: (f64, f64) = (100.0, 2000.0);

/// The load of a target's next run; none where its search is over. `loads` are those of the plan so far.
pub fn next_load(plan: &Plan, label: &str, loads: &[LoadPoint], runs: &[&RunSummary]) -> Option<LoadPoint> {
    let search = plan.search.as_ref()?;
    let own = of_label(label, runs);
    let template = loads.first()?;
    if own.is_empty() {
        return Some(template.clone());
    }
    // A run that was cut short says nothing that a further one could build on.
    if own.iter().any(|run| run.partial.is_some()) {
        return None;
    }
    match search.strategy {
        Strategy::Limit { .. } => match step(&aim(search, template, &own)?, &tried(loads, &own)) {
            Step::Play { load, requests } => {
                let requests = requests_at(template, load, requests);
                at_load(template, load, Until::after_requests(NonZeroU64::new(requests)?))
            }
            Step::Done(_) => None,
        },
        Strategy::Curve { points, until } => {
            let aim = CurveAim {
                first: first_of_curve(search, &own)?,
                whole: search.of == LimitOf::Concurrency,
                points: points as usize,
            };
            let load = curve::next_point(&aim, &played(search, loads, &own))?;
            let until = until.or_else(|| enough(search, template, load, &own))?;
            at_load(template, load, until)
        }
    }
}

/// The first load of a curve; none where a burst got no answer.
fn first_of_curve(search: &Search, own: &[&RunSummary]) -> Option<f64> {
    match search.of {
        LimitOf::Concurrency => Some(1.0),
        LimitOf::Rate => own.first().and_then(|run| rps(run)).map(|rate| rate * CURVE_SHARE_OF_BURST),
    }
}

/// As many requests as keep the load up for some answers' time: the shortest that any run saw.
fn enough(search: &Search, template: &LoadPoint, load: f64, own: &[&RunSummary]) -> Option<Until> {
    let e2e_s =
        own.iter().filter_map(|run| median_ms(run, figure::E2E)).reduce(f64::min).unwrap_or(0.0) / 1e3;
    let wanted = match search.of {
        LimitOf::Rate => ANSWERS * e2e_s * load,
        LimitOf::Concurrency => ANSWERS * load,
    };
    let requests = wanted.clamp(CURVE_REQUESTS.0, CURVE_REQUESTS.1).ceil() as u64;
    NonZeroU64::new(requests_at(template, load, requests)).map(Until::after_requests)
}

/// The loads of a curve, lowest first.
fn played(search: &Search, loads: &[LoadPoint], own: &[&RunSummary]) -> Vec<Played> {
    let of = |run: &&RunSummary| {
        let failed = run.caveats.iter().any(|caveat| matches!(caveat, Caveat::Failures { .. }));
        Some(Played {
            load: load_of(loads, run)?,
            rps: rps(run).unwrap_or(0.0),
            latencies_ms: [figure::TTFT, figure::E2E].map(|name| median_ms(run, name)),
            beyond: failed || run.requests.completed == 0 || run.is_saturated(),
        })
    };
    let mut played: Vec<Played> = own.iter().filter_map(of).collect();
    played.sort_by(|one, other| one.load.total_cmp(&other.load));
    if search.of == LimitOf::Concurrency {
        curve::mark_stopped(&mut played);
    }
    played
}

fn rps(run: &RunSummary) -> Option<f64> {
    run.metrics.get(figure::RPS).and_then(|value| Statistic::Value.of(value))
}

fn median_ms(run: &RunSummary, name: &str) -> Option<f64> {
    run.metrics.get(name).and_then(|value| Statistic::P50.of(value))
}

/// Where the curve of each target that has one bends, in the order of the plan's targets.
pub fn knees(plan: &Plan, runs: &[RunSummary]) -> Vec<Knee> {
    let curve = |search: &&Search| matches!(search.strategy, Strategy::Curve { .. });
    let Some(search) = plan.search.as_ref().filter(curve) else { return Vec::new() };
    let all: Vec<&RunSummary> = runs.iter().collect();
    let of_target = |label: &str| {
        let own = of_label(label, &all);
        let played = played(search, &plan.loads, &own);
        let carries = played.iter().take_while(|run| !run.beyond).last().map(|run| run.load);
        Some(Knee {
            label: label.to_owned(),
            of: search.of,
            carries,
            beyond: played.iter().find(|run| run.beyond).map(|run| run.load),
            most_rps: Some(played.iter().map(|run| run.rps).reduce(f64::max)?).filter(|rps| *rps > 0.0),
            runs: played.len() as u32,
            requests: own.iter().map(|run| run.requests.issued).sum(),
        })
    };
    plan.targets.iter().filter_map(|target| of_target(&target.label)).collect()
}

/// What is known of each target that has a run, in the order of the plan's targets.
pub fn limits(plan: &Plan, runs: &[RunSummary]) -> Vec<Limit> {
    let limit_search = |search: &&Search| matches!(search.strategy, Strategy::Limit { .. });
    let Some(search) = plan.search.as_ref().filter(limit_search) else { return Vec::new() };
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

fn aim(search: &Search, template: &LoadPoint, own: &[&RunSummary]) -> Option<Aim> {
    let Strategy::Limit { precision, shortest, most_runs } = search.strategy else { return None };
    let burst = own.first().and_then(|run| rps(run));
    let first = match search.of {
        LimitOf::Concurrency => f64::from(template.concurrency()?),
        LimitOf::Rate => template.rate().or(burst.map(|rate| rate * SHARE_OF_BURST)).unwrap_or(1.0),
    };
    let lowest = match search.of {
        LimitOf::Concurrency => 1.0,
        LimitOf::Rate => LOWEST_RATE,
    };
    Some(Aim {
        precision,
        shortest,
        first: first.max(lowest),
        lowest,
        whole: search.of == LimitOf::Concurrency,
        most_runs: most_runs as usize,
    })
}

/// What the runs say; a burst has no load that could be compared.
fn tried(loads: &[LoadPoint], own: &[&RunSummary]) -> Vec<Tried> {
    own.iter()
        .filter_map(|run| {
            let load = load_of(loads, run)?;
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
                let waits = figure::metric(&judged.objective.metric).is_some_and(Metric::holds_queue);
                Seen::Share { above: above as f64, of: of as f64, allowed, waits }
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
