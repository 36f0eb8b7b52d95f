//! The harness's own search over the model of a server.

use harness::analysis::{Aim, Seen, Step, Tried, step};

use super::server::{Random, SERVER, Times, percentile};

/// A percentile of a time with its limit.
pub struct Objective {
    pub name: &'static str,
    pub of: fn(&Times) -> f64,
    pub share: f64,
    /// It holds a wait in a queue.
    pub waits: bool,
    pub limit: f64,
}

impl Objective {
    pub fn statistic(&self, times: &[Times]) -> f64 {
        let mut values: Vec<f64> = times.iter().map(self.of).collect();
        percentile(&mut values, self.share)
    }

    fn above(&self, times: &[Times]) -> f64 {
        times.iter().filter(|times| (self.of)(times) > self.limit).count() as f64
    }
}

/// Requests of the burst, and of the shortest run.
const SHORTEST: u64 = 100;

/// Low and high end of the interval, and the requests that it took, those of the burst among them.
pub fn search(objective: &Objective, seed: u64) -> (f64, f64, u64) {
    let mut random = Random::of_seed(seed);
    let (burst, took_s) = SERVER.play(f64::INFINITY, SHORTEST as usize, &mut random);
    let aim = Aim {
        precision: 0.05,
        shortest: SHORTEST,
        first: 0.7 * burst.len() as f64 / took_s,
        lowest: 0.01,
        whole: false,
        most_runs: 60,
    };
    let (mut tried, mut total) = (Vec::new(), SHORTEST);
    loop {
        match step(&aim, &tried) {
            Step::Done(found) => {
                return (found.low.unwrap_or(0.0), found.high.unwrap_or(f64::INFINITY), total);
            }
            Step::Play { load, requests } => {
                let (times, _) = SERVER.play(load, requests as usize, &mut random);
                total += requests;
                let of = requests as f64;
                let seen = Seen::Share {
                    above: objective.above(&times),
                    of,
                    allowed: 1.0 - objective.share,
                    waits: objective.waits,
                };
                tried.push(Tried { load, requests, seen: vec![seen] });
            }
        }
    }
}
