//! The search for the highest rate over a model of a server whose limit is known, some seeds of benches/search.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// The benchmark uses more of both than these tests do.
#[allow(dead_code)]
#[path = "../benches/search/ours.rs"]
mod ours;
#[allow(dead_code)]
#[path = "../benches/search/server.rs"]
mod server;

use harness::analysis::{Aim, Seen, Step, Tried, step};

use ours::Objective;

/// The rate at which the p50 of TPOT of 400,000 requests is 14 ms, by `cargo bench --bench search`.
const TRUTH: f64 = 6.712;

/// The rate at which the p90 of TTFT is 300 ms, likewise.
const TRUTH_OF_TAIL: f64 = 9.836;

#[test]
fn its_interval_holds_the_truth_and_takes_a_fraction_of_the_requests_of_doubling_and_halving() {
    let objective =
        Objective { name: "tpot_p50=14ms", of: |times| times.tpot, share: 0.5, waits: false, limit: 14.0 };
    let found: Vec<(f64, f64, u64)> = (0..10).map(|seed| ours::search(&objective, seed)).collect();
    let held = found.iter().filter(|(low, high, _)| (*low..=*high).contains(&TRUTH)).count();
    assert!(held >= 9, "{found:?}");
    assert!(found.iter().all(|(low, high, _)| high / low < 1.11), "{found:?}");
    let mean = found.iter().map(|found| found.2).sum::<u64>() / 10;
    assert!(mean < 25_000, "{mean}");
}

/// A queue's tail: one who waits long waits among others, and a short run from an empty server shows too little of it.
#[test]
fn the_tail_of_a_queue_is_found_too() {
    let objective =
        Objective { name: "ttft_p90=300ms", of: |times| times.ttft, share: 0.9, waits: true, limit: 300.0 };
    let found: Vec<(f64, f64, u64)> = (0..8).map(|seed| ours::search(&objective, seed)).collect();
    let held = found.iter().filter(|(low, high, _)| (*low..=*high).contains(&TRUTH_OF_TAIL)).count();
    assert!(held >= 7, "{found:?}");
    let mean = found.iter().map(|found| found.2).sum::<u64>() / 8;
    assert!(mean < 45_000, "{mean}");
}

fn aim() -> Aim {
    Aim { precision: 0.05, shortest: 100, first: 8.0, lowest: 1.0, whole: true, most_runs: 12 }
}

/// A run that met or missed clearly.
fn run(load: f64, above: f64) -> Tried {
    Tried { load, requests: 100, seen: vec![Seen::Share { above, of: 100.0, allowed: 0.1, waits: true }] }
}

fn load(step: Step) -> f64 {
    match step {
        Step::Play { load, .. } => load,
        Step::Done(found) => panic!("{found:?}"),
    }
}

#[test]
fn a_search_rises_until_a_load_misses_and_falls_until_one_is_met() {
    assert_eq!(step(&aim(), &[]), Step::Play { load: 8.0, requests: 100 });
    let up = load(step(&aim(), &[run(8.0, 0.0)]));
    assert!((10.0..=16.0).contains(&up), "{up}");
    let down = load(step(&aim(), &[run(8.0, 90.0)]));
    assert!((3.0..=7.0).contains(&down), "{down}");
    let between = load(step(&aim(), &[run(8.0, 0.0), run(16.0, 90.0)]));
    assert!((8.0..=16.0).contains(&between), "{between}");
}

#[test]
fn a_load_that_fails_its_requests_lies_beyond() {
    let failed = Tried { load: 8.0, requests: 100, seen: vec![Seen::Beyond] };
    assert!(load(step(&aim(), &[failed])) < 8.0);
}

#[test]
fn where_the_lowest_load_misses_there_is_no_limit() {
    let Step::Done(found) = step(&aim(), &[run(2.0, 90.0), run(1.0, 90.0)]) else { panic!() };
    assert_eq!((found.value, found.unfinished), (None, None));
}

#[test]
fn a_search_ends_at_its_bound_of_runs_with_what_it_knows() {
    let runs: Vec<Tried> = (0..12).map(|at| run(8.0 * f64::from(1 << (at % 4)), 0.0)).collect();
    let Step::Done(found) = step(&aim(), &runs) else { panic!() };
    assert!(found.low.is_some() && found.high.is_none(), "{found:?}");
    assert_eq!(found.unfinished.as_deref(), Some("12 runs were not enough"));
}

#[test]
fn the_same_runs_give_the_same_step() {
    let runs = [run(8.0, 3.0), run(11.0, 17.0), run(9.0, 8.0)];
    assert_eq!(step(&aim(), &runs), step(&aim(), &runs));
}

#[test]
fn of_two_objectives_the_first_that_is_missed_makes_the_limit() {
    let two = |load: f64, first: f64, second: f64| {
        let seen = |above| Seen::Share { above, of: 100.0, allowed: 0.1, waits: true };
        Tried { load, requests: 100, seen: vec![seen(first), seen(second)] }
    };
    let runs = [two(8.0, 0.0, 2.0), two(12.0, 1.0, 40.0), two(10.0, 0.0, 11.0)];
    let only = [run(8.0, 2.0), run(12.0, 40.0), run(10.0, 11.0)];
    let (both, second) = (load(step(&aim(), &runs)), load(step(&aim(), &only)));
    assert!((both - second).abs() <= 1.0, "{both} {second}");
}
