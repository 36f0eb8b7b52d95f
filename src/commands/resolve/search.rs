//! `--auto`, `--find-max-rate` and `--find-max-concurrency` → the search of a plan and its first load.

use std::num::{NonZeroU32, NonZeroU64};

use crate::analysis::allowed_share;
use crate::cli::{AutoArg, LoadArgs, SweepArgs};
use crate::commands::resolve::objectives;
use crate::commands::resolve::traffic;
use crate::schema::objective::{LimitOf, Objective, Search, Strategy};
use crate::schema::plan::LoadPoint;
use crate::schema::refusal::refuse;
use crate::schema::traffic::{Arrivals, Traffic, Until};

/// Requests of the shortest run; more where a percentile needs more to have one above it.
const SHORTEST: u64 = 100;
const SHORTEST_MOST: f64 = 1000.0;
/// Requests in flight of the first run.
const FIRST_CONCURRENCY: u32 = 8;
/// Loads of a curve where nothing is said.
const POINTS: u32 = 8;

/// The search that is asked for; none where none is.
///
/// # Errors
/// It has no objective, or is given what would contradict it.
pub fn asked(args: &SweepArgs) -> anyhow::Result<Option<Search>> {
    let search = &args.search;
    if let Some(of) = search.auto {
        return curve(args, of).map(Some);
    }
    let (of, flag) = match (search.find_max_rate, search.find_max_concurrency) {
        (false, false) => return Ok(None),
        (true, _) => (LimitOf::Rate, "--find-max-rate"),
        (false, true) => (LimitOf::Concurrency, "--find-max-concurrency"),
    };
    let objectives = objectives::objectives(&args.runs.goals.slo)?;
    if objectives.is_empty() {
        return refuse(
            format!("{flag} needs to know what is to be met"),
            "add --slo ttft_p90=500ms,tpot_p90=50ms",
        );
    }
    if args.runs.rounds > 1 || args.runs.repeats > 1 {
        return refuse(
            format!("{flag} decides itself how often it plays, so --rounds and --repeats would do nothing"),
            "leave them out; --precision 2% asks for more runs",
        );
    }
    if args.load.duration.is_some() {
        return refuse(
            format!("{flag} sets the length of its runs by requests, so --duration would do nothing"),
            "leave it out; --requests N is the length of the shortest run",
        );
    }
    let own = &args.load.arrivals;
    if own.ramp_rates.is_some() || !own.steps.is_empty() || own.arrival_schedule.is_some() {
        return refuse(
            format!("{flag} finds one rate, and --ramp-rates, --steps and --arrival-schedule give several"),
            "leave them out",
        );
    }
    if of == LimitOf::Concurrency && own.burst_every.is_some() {
        return refuse(
            format!("{flag} is about a closed loop, and --burst-every makes an open one"),
            "leave it out",
        );
    }
    if args.load.rate.len() > 1 || args.load.concurrency.len() > 1 {
        return refuse(format!("{flag} finds its own loads"), "give one --rate or --concurrency, or none");
    }
    if of == LimitOf::Concurrency && !args.load.rate.is_empty() {
        return refuse(
            format!("{flag} is about a closed loop, and --rate makes an open one"),
            "leave --rate out",
        );
    }
    let shortest = args.load.requests.unwrap_or_else(|| shortest(&objectives));
    let strategy =
        Strategy::Limit { precision: precision(&search.precision)?, shortest, most_runs: search.most_runs };
    Ok(Some(Search { of, strategy }))
}

/// `--auto`: a curve over the rate, or over the requests in flight.
fn curve(args: &SweepArgs, of: AutoArg) -> anyhow::Result<Search> {
    if args.runs.rounds > 1 || args.runs.repeats > 1 {
        return refuse(
            "--auto plays each load once, so --rounds and --repeats would do nothing",
            "leave them out; sweep the loads that it found again with --rates 2,4,8 --rounds 3",
        );
    }
    if !args.load.rate.is_empty() || args.load.concurrency.len() > 1 {
        return refuse("--auto finds its own loads", "leave --rate out, and give one --concurrency or none");
    }
    let own = &args.load.arrivals;
    let is_fixed = own.burst_every.is_some() || own.ramp_rates.is_some();
    if is_fixed || !own.steps.is_empty() || own.arrival_schedule.is_some() {
        return refuse(
            "--auto finds its own loads, and bursts, --ramp-rates, --steps and --arrival-schedule are loads",
            "leave them out",
        );
    }
    let of = match of {
        AutoArg::Rate => LimitOf::Rate,
        AutoArg::Concurrency if args.load.concurrency.is_empty() => LimitOf::Concurrency,
        AutoArg::Concurrency => {
            return refuse("--auto concurrency finds its own loads", "leave --concurrency out");
        }
    };
    let until = match (args.load.requests.and_then(NonZeroU64::new), args.load.duration) {
        (None, None) => None,
        (requests, duration_s) => Some(Until::new(requests, duration_s)?),
    };
    Ok(Search { of, strategy: Strategy::Curve { points: args.search.points.unwrap_or(POINTS), until } })
}

/// So many requests that on average one may be above the limit of the rarest percentile.
fn shortest(objectives: &[Objective]) -> u64 {
    let share = objectives.iter().filter_map(allowed_share).fold(1.0, f64::min);
    ((1.0 / share).round().min(SHORTEST_MOST) as u64).max(SHORTEST)
}

fn precision(text: &str) -> anyhow::Result<f64> {
    match text.strip_suffix('%').map(|share| share.trim().parse::<f64>()) {
        Some(Ok(share)) if (0.5..=50.0).contains(&share) => Ok(share / 100.0),
        Some(_) | None => refuse(format!("--precision '{text}' is no share"), "write 5%; 0.5% to 50%"),
    }
}

/// The first load of a search: the first guess, or a burst of all requests of a run at once.
///
/// # Errors
/// As those of [`traffic::loads`].
pub fn first_load(search: &Search, args: &LoadArgs, prompts: usize) -> anyhow::Result<LoadPoint> {
    let requests = match search.strategy {
        Strategy::Limit { shortest, .. } => shortest,
        // A burst is over when its requests are.
        Strategy::Curve { until, .. } => until.and_then(Until::requests).unwrap_or(SHORTEST),
    };
    let until = NonZeroU64::new(requests).map(Until::after_requests);
    let loads = traffic::loads(args, true, prompts)?;
    let (Some(load), Some(until)) = (loads.into_iter().next(), until) else {
        return refuse("--requests is 0, so there is nothing to measure", "give a number above 0");
    };
    let until = match (search.of, search.strategy) {
        (LimitOf::Concurrency, Strategy::Curve { until: Some(given), .. }) => given,
        (LimitOf::Rate | LimitOf::Concurrency, Strategy::Curve { .. } | Strategy::Limit { .. }) => until,
    };
    let is_given = !args.concurrency.is_empty();
    let traffic = match (search.of, load.traffic) {
        (LimitOf::Rate, Traffic::Closed { slots, .. }) => {
            Traffic::Open { arrivals: Arrivals::AllAtOnce, cap: is_given.then_some(slots) }
        }
        (LimitOf::Concurrency, Traffic::Closed { slots, ramp }) => {
            let first = match search.strategy {
                Strategy::Limit { .. } => NonZeroU32::new(FIRST_CONCURRENCY).filter(|_| !is_given),
                Strategy::Curve { .. } => Some(NonZeroU32::MIN),
            };
            Traffic::Closed { slots: first.unwrap_or(slots), ramp }
        }
        (_, open @ Traffic::Open { .. }) => open,
    };
    let warmup =
        if args.warmup.is_some() { load.warmup } else { LoadPoint::of(traffic.clone(), until).warmup };
    Ok(LoadPoint { traffic, until, warmup, ..load })
}
