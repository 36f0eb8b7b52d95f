//! What a search for the highest rate costs: ours, and doubling-then-binary (the way of vLLM's
//! `vllm bench sweep serve_sla`) with as many repeats as it needs for the same hit rate, over the same server.
//!
//! `cargo bench --bench search`, or with `-- --quick` for 20 seeds of one objective, `-- --saturation` for how often a
//! run is called saturated, or `-- --from 1000` for other seeds. The truth is the rate at which the
//! statistic of a run of 400,000 requests equals the limit. A hit is an interval of ± 5 % that holds it.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod doubling;
mod ours;
mod saturation;
mod server;

use ours::Objective;
use server::{Random, SERVER, percentile};

const SEEDS: u64 = 100;
const WANTED: f64 = 0.93;

/// Objectives of each kind: a pace, a queue.
const OBJECTIVES: [Objective; 2] = [
    Objective { name: "tpot_p50=14ms", of: |times| times.tpot, share: 0.5, waits: false, limit: 14.0 },
    Objective { name: "ttft_p90=300ms", of: |times| times.ttft, share: 0.9, waits: true, limit: 300.0 },
];

/// What came of all seeds.
struct Score {
    hits: usize,
    of: usize,
    mean: f64,
    median: f64,
}

fn score(seeds: u64, truth: f64, search: impl Fn(u64) -> (f64, f64, u64)) -> Score {
    let found: Vec<(f64, f64, u64)> = (from()..from() + seeds).map(search).collect();
    let held = |(low, high, _): &&(f64, f64, u64)| {
        (*low..=*high).contains(&truth) && high / low <= 1.05 / 0.95 * 1.001
    };
    let mut requests: Vec<f64> = found.iter().map(|found| found.2 as f64).collect();
    Score {
        hits: found.iter().filter(held).count(),
        of: found.len(),
        mean: requests.iter().sum::<f64>() / requests.len() as f64,
        median: percentile(&mut requests, 0.5),
    }
}

/// The first seed: `-- --from 1000` takes others than those that the search was made with.
fn from() -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--from");
    arguments.nth(1).map_or(0, |first| first.parse().unwrap())
}

/// The rate at which the statistic of a long run equals the limit.
fn truth(objective: &Objective) -> f64 {
    let (mut low, mut high) = (0.1f64, 100.0f64);
    while high / low > 1.001 {
        let middle = (low * high).sqrt();
        let requests = if high / low > 1.2 { 20_000 } else { 400_000 };
        let (times, _) = SERVER.play(middle, requests, &mut Random(20_261_128));
        // The first twentieth, when the server fills, is left out.
        if objective.statistic(&times[requests / 20..]) <= objective.limit {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low * high).sqrt()
}

fn row(name: &str, score: &Score) {
    println!(
        "  {name:38} {:>3} of {:<3} {:>9.0} requests in the mean, {:>9.0} in the median",
        score.hits, score.of, score.mean, score.median
    );
}

/// Rates against lengths of runs: % of the runs that are called saturated.
fn print_saturation(seeds: u64) {
    let (burst, took_s) = SERVER.play(f64::INFINITY, 100_000, &mut Random(20_261_128));
    let most = burst.len() as f64 / took_s;
    println!(
        "saturation: the server carries {most:.2} requests a second; % of {seeds} runs called saturated"
    );
    let shares = [0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0, 1.05, 1.1, 1.2, 1.5, 3.0, 10.0];
    let heads: Vec<String> = shares.iter().map(|share| format!("{:>5.0}%", 100.0 * share)).collect();
    println!("  requests, rate over that  {}", heads.join(" "));
    for requests in [60, 100, 200, 400, 1000, 4000] {
        let cell = |share: &f64| {
            let called = saturation::saturated(&SERVER, share * most, requests, seeds);
            format!("{:>6.1}", 100.0 * called as f64 / seeds as f64)
        };
        let cells: Vec<String> = shares.iter().map(cell).collect();
        println!("  {requests:>24}  {}", cells.join(" "));
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--saturation") {
        return print_saturation(400);
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (seeds, objectives) = if quick { (20, &OBJECTIVES[..1]) } else { (SEEDS, &OBJECTIVES[..]) };
    for objective in objectives {
        let truth = truth(objective);
        println!(
            "{}: the truth is {truth:.3} requests a second; intervals of ± 5 % that hold it",
            objective.name
        );
        let ours = score(seeds, truth, |seed| ours::search(objective, seed));
        row("harness --find-max-rate", &ours);
        let mut reached = None;
        for (repeats, requests) in doubling::LADDER {
            let theirs = score(seeds, truth, |seed| doubling::search(objective, seed, repeats, requests));
            row(&format!("doubling, binary: {repeats} runs of {requests}"), &theirs);
            if theirs.hits as f64 >= WANTED * theirs.of as f64 {
                reached = Some(theirs.mean);
                break;
            }
        }
        match reached {
            Some(theirs) => println!("  ratio of the requests: {:.3}\n", ours.mean / theirs),
            None => println!("  doubling, binary does not reach {:.0} %\n", 100.0 * WANTED),
        }
    }
}
