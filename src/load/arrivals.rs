//! When requests start: traffic and a seed make due times, before any clock runs.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use crate::schema::plan::{LoadPlan, Traffic};

/// Due times of an open loop, µs from the start of the measured phase, rising. Ends at the plan's
/// bounds; without any it has no end. Every client thread makes the same ones and takes its share.
#[derive(Debug, Clone)]
pub struct DueTimes {
    gaps: Gaps,
    next_index: u64,
    elapsed_s: f64,
    requests: u64,
    until_us: u64,
}

#[derive(Debug, Clone)]
enum Gaps {
    Exponential { rate: f64, rng: Box<ChaCha8Rng> },
    Equal { rate: f64 },
}

/// The due times that a plan asks for; none for a closed loop, whose requests start when a slot is free.
pub fn due_times(plan: &LoadPlan) -> Option<DueTimes> {
    let gaps = match plan.traffic {
        Traffic::Closed => return None,
        Traffic::Poisson { rate } => {
            Gaps::Exponential { rate, rng: Box::new(ChaCha8Rng::seed_from_u64(plan.seed)) }
        }
        Traffic::Constant { rate } => Gaps::Equal { rate },
    };
    let until_us = plan.duration_s.map_or(u64::MAX, |seconds| (seconds * 1e6) as u64);
    Some(DueTimes {
        gaps,
        next_index: 0,
        elapsed_s: 0.0,
        requests: plan.requests.unwrap_or(u64::MAX),
        until_us,
    })
}

impl Iterator for DueTimes {
    type Item = (u64, u64);

    /// The next request's index and due time in µs.
    fn next(&mut self) -> Option<(u64, u64)> {
        if self.next_index >= self.requests {
            return None;
        }
        let due_s = match &mut self.gaps {
            Gaps::Exponential { rate, rng } => {
                let gap: f64 = Exp1.sample(rng);
                self.elapsed_s += gap / *rate;
                self.elapsed_s
            }
            // From the index and not from a sum, so that no error piles up over a long run.
            Gaps::Equal { rate } => self.next_index as f64 / *rate,
        };
        let due_us = (due_s * 1e6).round() as u64;
        if due_us >= self.until_us {
            self.requests = 0;
            return None;
        }
        let index = self.next_index;
        self.next_index += 1;
        Some((index, due_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::plan::Warmup;

    fn plan(traffic: Traffic, requests: Option<u64>, duration_s: Option<f64>, seed: u64) -> LoadPlan {
        LoadPlan {
            traffic,
            concurrency: None,
            requests,
            duration_s,
            warmup: Warmup::Requests(0),
            ramp_s: None,
            timeout_s: 1.0,
            drain_s: 1.0,
            seed,
            client_threads: 1,
        }
    }

    fn dues(plan: &LoadPlan) -> Vec<u64> {
        due_times(plan).unwrap().map(|(_, due_us)| due_us).collect()
    }

    #[test]
    fn a_closed_loop_has_no_due_times() {
        assert!(due_times(&plan(Traffic::Closed, Some(5), None, 1)).is_none());
    }

    #[test]
    fn constant_gaps_do_not_drift() {
        let dues = dues(&plan(Traffic::Constant { rate: 3.0 }, Some(3_000_001), None, 1));
        assert_eq!(dues[..4], [0, 333_333, 666_667, 1_000_000]);
        assert_eq!(dues[3_000_000], 1_000_000_000_000);
    }

    #[test]
    fn a_duration_ends_the_due_times_before_itself() {
        assert_eq!(dues(&plan(Traffic::Constant { rate: 10.0 }, None, Some(0.5), 1)).len(), 5);
        let all = dues(&plan(Traffic::Poisson { rate: 1000.0 }, None, Some(2.0), 7));
        assert!(all.iter().all(|due| *due < 2_000_000) && all.len() > 1_800, "{}", all.len());
    }

    #[test]
    fn the_bound_that_comes_first_holds() {
        assert_eq!(dues(&plan(Traffic::Constant { rate: 10.0 }, Some(3), Some(60.0), 1)).len(), 3);
    }

    #[test]
    fn one_seed_makes_one_schedule_and_another_seed_another() {
        let first = dues(&plan(Traffic::Poisson { rate: 50.0 }, Some(100), None, 1));
        assert_eq!(first, dues(&plan(Traffic::Poisson { rate: 50.0 }, Some(100), None, 1)));
        assert_ne!(first, dues(&plan(Traffic::Poisson { rate: 50.0 }, Some(100), None, 2)));
    }

    #[test]
    fn poisson_gaps_have_a_coefficient_of_variation_of_one() {
        let (mut mean_cv, mut mean_dispersion) = (0.0, 0.0);
        for seed in 0..20 {
            let dues = dues(&plan(Traffic::Poisson { rate: 1000.0 }, Some(15_000), None, seed));
            let gaps: Vec<f64> = dues.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            let (mean, variance) = moments(&gaps);
            assert!((mean - 1000.0).abs() < 40.0, "mean gap {mean} µs with seed {seed}");
            mean_cv += variance.sqrt() / mean / 20.0;
            let mut counts = vec![0.0; dues[dues.len() - 1] as usize / 10_000];
            for due in &dues {
                if let Some(count) = counts.get_mut(*due as usize / 10_000) {
                    *count += 1.0;
                }
            }
            let (mean, variance) = moments(&counts);
            mean_dispersion += variance / mean / 20.0;
        }
        assert!((mean_cv - 1.0).abs() < 0.01, "CV {mean_cv}");
        assert!((mean_dispersion - 1.0).abs() < 0.03, "index of dispersion {mean_dispersion}");
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0))
    }
}
