//! Runs so far → the next run, or what is known at the end.

use super::posterior::{Point, Posterior, Seen, posterior};

/// One run as the search sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Requests per second, or requests in flight.
    pub load: f64,
    /// Requests that it has.
    pub requests: u64,
    /// What it says of each objective, in their order.
    pub seen: Vec<Seen>,
}

/// What is asked of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// Half the width of the interval that is wanted, as a share of the value: 0.05.
    pub precision: f64,
    /// Requests of the shortest run.
    pub shortest: u64,
    /// The first load.
    pub first: f64,
    /// The lowest load that can be played.
    pub lowest: f64,
    /// Loads are whole numbers.
    pub whole: bool,
    /// Runs at most.
    pub most_runs: usize,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A run of so many requests at a load.
    Play {
        /// Its load.
        load: f64,
        /// Its requests.
        requests: u64,
    },
    /// The search is over.
    Done(Found),
}

/// The highest load, by what is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Median; none where the lowest load missed.
    pub value: Option<f64>,
    /// Low end of the interval.
    pub low: Option<f64>,
    /// High end; none where no load was found that misses.
    pub high: Option<f64>,
    /// Why it ended before its precision.
    pub unfinished: Option<String>,
}

/// The interval between these is given as one of 95 %: what is over makes up for a curve that is no line and for
/// stopping where it happens to be narrow. benches/search.rs counts how often it holds the truth.
const LOW: f64 = 0.0075;
const HIGH: f64 = 0.9925;
/// Runs within this of the median tell of the root, logarithm.
const NEAR: f64 = 0.25;
/// Runs that must lie near before a search ends: two are a line without an error.
const NEAR_RUNS: usize = 3;
/// Near the root a run is at least and at most so many times as long as the shortest: one that begins at an empty server
/// tells the less of its tail the shorter it is.
const LENGTHS: (f64, f64) = (3.0, 20.0);
/// How far beside the median the next run is played, as a share of half the interval: a line is known best where its
/// points lie apart, and the curve least far from a line where they lie close.
const ASIDE: f64 = 0.7;
const ASIDE_LEAST: f64 = 0.03;
const ASIDE_MOST: f64 = 0.2;
/// How far the grid goes beyond the loads that were tried, logarithm: a factor of 8.
const BEYOND: f64 = 2.08;

/// What is to be played next, or what was found.
pub fn step(aim: &Aim, tried: &[Tried]) -> Step {
    let Some(known) = known(tried) else {
        return Step::Play { load: playable(aim, aim.first), requests: aim.shortest };
    };
    let found = |unfinished: Option<String>| Step::Done(found(aim, tried, &known, unfinished));
    let met = |run: &&Tried| is_met(run);
    let highest_met = tried.iter().filter(met).map(|run| run.load).reduce(f64::max);
    let lowest_missed = tried.iter().filter(|run| !is_met(run)).map(|run| run.load).reduce(f64::min);
    let wide = (known.quantile(HIGH) - known.quantile(LOW)) / 2.0;
    let middle = known.quantile(0.5);
    let near =
        tried.iter().filter(|run| (run.load.ln() - middle).abs() < NEAR && !run.seen.contains(&Seen::Beyond));
    let bracketed = highest_met.is_some() && lowest_missed.is_some();
    if bracketed && near.count() >= NEAR_RUNS && wide <= (1.0 + aim.precision).ln() {
        return found(None);
    }
    if tried.len() >= aim.most_runs {
        return found(Some(format!("{} runs were not enough", aim.most_runs)));
    }
    let load = match (highest_met, lowest_missed) {
        (Some(met), None) => middle.exp().clamp(met * 1.3, met * 2.0),
        (None, Some(missed)) if missed <= aim.lowest => return found(None),
        (None, Some(missed)) => middle.exp().clamp(missed * 0.4, missed * 0.8).max(aim.lowest),
        (Some(_), Some(_)) | (None, None) => aside(tried, middle, wide).exp(),
    };
    let requests = if bracketed { length(aim, &known, wide) } else { aim.shortest };
    Step::Play { load: playable(aim, load), requests }
}

/// What is known where a search does not go on.
pub fn so_far(aim: &Aim, tried: &[Tried], why: &str) -> Found {
    match known(tried) {
        Some(known) => found(aim, tried, &known, Some(why.to_owned())),
        None => Found { value: None, low: None, high: None, unfinished: Some(why.to_owned()) },
    }
}

/// A load that can be played, of four figures: one that a person can read and type.
fn playable(aim: &Aim, load: f64) -> f64 {
    if aim.whole {
        return load.round().max(1.0);
    }
    let figures = format!("{load:.3e}");
    figures.parse().unwrap_or(load)
}

fn is_met(run: &Tried) -> bool {
    run.seen.iter().all(|seen| match seen {
        Seen::Share { above, of, allowed, waits: _ } => *above <= *allowed * *of,
        Seen::Ratio { ratio, .. } => *ratio >= 1.0,
        Seen::Beyond => false,
    })
}

/// The next load beside the median, on the side of which less is known.
fn aside(tried: &[Tried], middle: f64, wide: f64) -> f64 {
    let weight = |run: &Tried| {
        let away = run.load.ln() - middle;
        let near = run.requests as f64 / (1.0 + (away / 0.1).powi(4));
        (away, near)
    };
    let sum = |above: bool| {
        tried.iter().map(weight).filter(|(away, _)| (*away > 0.0) == above).map(|(_, near)| near).sum::<f64>()
    };
    let off = (ASIDE * wide).clamp(ASIDE_LEAST, ASIDE_MOST);
    if sum(true) < sum(false) { middle + off } else { middle - off }
}

/// Requests of the next run: half of those that are still missing.
fn length(aim: &Aim, known: &Posterior, wide: f64) -> u64 {
    let needed = |half: f64| (2.17 * known.spread / half).powi(2);
    let missing = needed((1.0 + aim.precision).ln()) - needed(wide);
    let shortest = aim.shortest as f64;
    (0.5 * missing).clamp(LENGTHS.0 * shortest, LENGTHS.1 * shortest).round() as u64
}

/// What all runs tell of the root that comes first; none without a run.
fn known(tried: &[Tried]) -> Option<Posterior> {
    let loads = || tried.iter().map(|run| run.load.ln());
    let (low, high) = (loads().reduce(f64::min)? - BEYOND, loads().reduce(f64::max)? + BEYOND);
    let objectives = tried.iter().map(|run| run.seen.len()).max().unwrap_or(0);
    let of = |objective: usize| {
        let point = |run: &Tried| Some(Point { x: run.load.ln(), seen: *run.seen.get(objective)? });
        posterior(&tried.iter().filter_map(point).collect::<Vec<_>>(), low, high)
    };
    Posterior::lowest(&(0..objectives).map(of).collect::<Vec<_>>())
}

fn found(aim: &Aim, tried: &[Tried], known: &Posterior, unfinished: Option<String>) -> Found {
    let load = |probability: f64| known.quantile(probability).exp();
    let met = tried.iter().any(is_met);
    let missed = tried.iter().any(|run| !is_met(run));
    let lowest_missed = tried.iter().any(|run| run.load <= aim.lowest && !is_met(run));
    if !met && lowest_missed {
        return Found { value: None, low: None, high: None, unfinished };
    }
    if !met && unfinished.is_some() {
        // Of loads that all missed only an upper end is known.
        return Found { value: None, low: None, high: Some(load(HIGH)), unfinished };
    }
    Found { value: Some(load(0.5)), low: Some(load(LOW)), high: missed.then(|| load(HIGH)), unfinished }
}
