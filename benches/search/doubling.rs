//! Doubling, then binary: the first rate from a burst, doubled while it meets the objective (halved while it does
//! not), then the window halved down to ± 5 %. Each rate is played several times, and the mean of the statistic
//! counts. So does vLLM's `vllm bench sweep serve_sla` (its documentation of version 0.11.2), whose runs have 1,000
//! requests and are three by default.

use super::ours::Objective;
use super::server::{Random, SERVER};

/// Runs of a rate, and their requests, from cheap to dear.
pub const LADDER: [(usize, usize); 8] =
    [(3, 200), (3, 1000), (10, 1000), (5, 4000), (10, 4000), (10, 10_000), (10, 20_000), (10, 40_000)];

/// Low and high end of the window, and the requests that it took.
pub fn search(objective: &Objective, seed: u64, repeats: usize, requests: usize) -> (f64, f64, u64) {
    let mut random = Random::of_seed(seed);
    let (burst, took_s) = SERVER.play(f64::INFINITY, 100, &mut random);
    let mut total = 100;
    let mut meets = |rate: f64| {
        let mut sum = 0.0;
        for _ in 0..repeats {
            let (times, _) = SERVER.play(rate, requests, &mut random);
            sum += objective.statistic(&times);
            total += requests as u64;
        }
        sum / repeats as f64 <= objective.limit
    };
    let first = burst.len() as f64 / took_s;
    let (mut low, mut high) = (first / 2.0, first);
    if meets(first) {
        (low, high) = (first, 2.0 * first);
        while meets(high) {
            (low, high) = (high, 2.0 * high);
        }
    } else {
        while low > 0.01 && !meets(low) {
            (low, high) = (low / 2.0, low);
        }
    }
    while high / low > 1.05 / 0.95 {
        let middle = (low * high).sqrt();
        if meets(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low, high, total)
}
