//! When requests start: traffic and a seed make due times, before any clock runs.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma};

use crate::load::schedule::course::{Course, gamma};
use crate::schema::plan::LoadPoint;
use crate::schema::traffic::{Arrivals, Traffic};

/// Due times of an open loop, µs from the start of the measured phase, never falling. They end at the
/// load's bounds. Every client thread makes the same ones and takes its share.
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
    Exponential {
        rate: f64,
        rng: Box<ChaCha8Rng>,
    },
    Equal {
        rate: f64,
    },
    /// A trace's own times; without them it has none.
    Listed(Arc<[u64]>),
    None,
    Gamma {
        rate: f64,
        gaps: Gamma<f64>,
        rng: Box<ChaCha8Rng>,
    },
    Bursts {
        size: u64,
        every_s: f64,
    },
    Pieces(Box<Course>),
}

/// The due times that a load asks for; none for a closed loop, whose requests start when a slot is free.
///
/// All at once without a number of requests is nothing that could end: it has no due times.
pub fn due_times(load: &LoadPoint, seed: u64) -> Option<DueTimes> {
    due_times_of(load, seed, None)
}

/// The same; `listed` are the times that the units of a trace bring, µs.
pub fn due_times_of(load: &LoadPoint, seed: u64, listed: Option<&Arc<[u64]>>) -> Option<DueTimes> {
    let Traffic::Open { arrivals, .. } = &load.traffic else { return None };
    let endless = if *arrivals == Arrivals::AllAtOnce { 0 } else { u64::MAX };
    let rng = || Box::new(ChaCha8Rng::seed_from_u64(seed));
    let gaps = match arrivals {
        Arrivals::Poisson { rate } => Gaps::Exponential { rate: *rate, rng: rng() },
        Arrivals::Constant { rate } => Gaps::Equal { rate: *rate },
        Arrivals::AllAtOnce => Gaps::None,
        Arrivals::Trace(_) => Gaps::Listed(listed.cloned().unwrap_or_default()),
        Arrivals::Gamma { rate, burstiness } => {
            Gaps::Gamma { rate: *rate, gaps: gamma(*burstiness)?, rng: rng() }
        }
        Arrivals::Bursts { size, every_s } => Gaps::Bursts { size: u64::from(size.get()), every_s: *every_s },
        Arrivals::Pieces { pieces } => Gaps::Pieces(Box::new(Course::new(pieces, *rng()))),
    };
    Some(DueTimes {
        gaps,
        next_index: 0,
        elapsed_s: 0.0,
        requests: load.until.requests().unwrap_or(endless),
        until_us: load.until.duration_s().map_or(u64::MAX, |seconds| (seconds * 1e6) as u64),
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
            Gaps::None => 0.0,
            Gaps::Listed(due_us) => {
                let place = usize::try_from(self.next_index).ok()?;
                *due_us.get(place)? as f64 / 1e6
            }
            Gaps::Gamma { rate, gaps, rng } => {
                self.elapsed_s += gaps.sample(rng) / *rate;
                self.elapsed_s
            }
            Gaps::Bursts { size, every_s } => (self.next_index / *size) as f64 * *every_s,
            Gaps::Pieces(course) => course.next_s()?,
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
    use std::num::NonZeroU64;

    use super::*;
    use crate::schema::traffic::{Ramp, Until, Warmup};

    fn load(traffic: Traffic, requests: Option<u64>, duration_s: Option<f64>) -> LoadPoint {
        LoadPoint {
            name: None,
            asks: None,
            traffic,
            until: Until::new(requests.and_then(NonZeroU64::new), duration_s).unwrap(),
            warmup: Warmup::Requests(0),
            drain_s: 1.0,
            timeout_s: 1.0,
        }
    }

    fn all(
        arrivals: Arrivals,
        requests: Option<u64>,
        duration_s: Option<f64>,
        seed: u64,
    ) -> impl Iterator<Item = (u64, u64)> {
        due_times(&load(Traffic::Open { arrivals, cap: None }, requests, duration_s), seed).unwrap()
    }

    fn dues(arrivals: Arrivals, requests: Option<u64>, duration_s: Option<f64>, seed: u64) -> Vec<u64> {
        all(arrivals, requests, duration_s, seed).map(|(_, due_us)| due_us).collect()
    }

    #[test]
    fn a_closed_loop_has_no_due_times() {
        let closed = Traffic::Closed { slots: 1.try_into().unwrap(), ramp: Ramp::Automatic };
        assert!(due_times(&load(closed, Some(5), None), 1).is_none());
    }

    #[test]
    fn all_at_once_are_due_at_the_start_and_only_as_many_as_were_asked_for() {
        assert_eq!(dues(Arrivals::AllAtOnce, Some(3), None, 1), [0, 0, 0]);
        assert_eq!(dues(Arrivals::AllAtOnce, Some(3), Some(1.0), 1), [0, 0, 0]);
        assert!(dues(Arrivals::AllAtOnce, None, Some(1.0), 1).is_empty(), "no endless burst");
    }

    #[test]
    fn constant_gaps_do_not_drift() {
        let dues = dues(Arrivals::Constant { rate: 3.0 }, Some(3_000_001), None, 1);
        assert_eq!(dues[..4], [0, 333_333, 666_667, 1_000_000]);
        assert_eq!(dues[3_000_000], 1_000_000_000_000);
    }

    #[test]
    fn a_duration_ends_the_due_times_before_itself() {
        assert_eq!(dues(Arrivals::Constant { rate: 10.0 }, None, Some(0.5), 1).len(), 5);
        let all = dues(Arrivals::Poisson { rate: 1000.0 }, None, Some(2.0), 7);
        assert!(all.iter().all(|due| *due < 2_000_000) && all.len() > 1_800, "{}", all.len());
    }

    #[test]
    fn the_bound_that_comes_first_holds() {
        assert_eq!(dues(Arrivals::Constant { rate: 10.0 }, Some(3), Some(60.0), 1).len(), 3);
    }

    #[test]
    fn one_seed_makes_one_schedule_and_another_seed_another() {
        let first = dues(Arrivals::Poisson { rate: 50.0 }, Some(100), None, 1);
        assert_eq!(first, dues(Arrivals::Poisson { rate: 50.0 }, Some(100), None, 1));
        assert_ne!(first, dues(Arrivals::Poisson { rate: 50.0 }, Some(100), None, 2));
    }

    /// Gaps in seconds between the planned starts at a rate where the µs to which they are rounded is no coarse grain.
    fn gaps_s(count: u64, seed: u64) -> Vec<f64> {
        let mut before = 0;
        let dues = dues(Arrivals::Poisson { rate: RATE }, Some(count), None, seed);
        dues.iter().map(|due| (due - std::mem::replace(&mut before, *due)) as f64 / 1e6).collect()
    }

    const RATE: f64 = 5.0;

    /// Gaps pass for exponential ones of [`RATE`] at the 5 % level of Kolmogorov and Smirnov.
    fn are_exponential(mut gaps_s: Vec<f64>) -> bool {
        gaps_s.sort_unstable_by(f64::total_cmp);
        let n = gaps_s.len() as f64;
        let distance = gaps_s.iter().enumerate().map(|(below, gap)| {
            let expected = 1.0 - (-gap * RATE).exp();
            (expected - below as f64 / n).max((below + 1) as f64 / n - expected)
        });
        // Stephens' correction for n, and the 5 % point of what it gives.
        distance.fold(0.0, f64::max) * (n.sqrt() + 0.12 + 0.11 / n.sqrt()) <= 1.358
    }

    #[test]
    fn poisson_gaps_are_exponential_by_the_test_of_kolmogorov_and_smirnov() {
        // Of a hundred seeds 95 pass in the mean.
        let passed = (0..100).filter(|seed| are_exponential(gaps_s(1_000, *seed))).count();
        assert!(passed >= 93, "{passed} of 100 seeds");
        // It tells a tenth too fast, and pairs of users that share their gaps.
        assert!(!are_exponential(gaps_s(1_000, 0).iter().map(|gap| gap * 0.9).collect()));
        assert!(!are_exponential(gaps_s(500, 0).iter().flat_map(|gap| [0.0, *gap]).collect()));
    }

    #[test]
    fn a_hundred_thousand_poisson_gaps_vary_and_cluster_as_independent_users_do() {
        for seed in 0..5 {
            let gaps = gaps_s(100_000, seed);
            let (mean, variance) = moments(&gaps);
            // Each bound is four standard errors or more.
            assert!((mean * RATE - 1.0).abs() < 0.013, "mean gap {mean} s with seed {seed}");
            let variation = variance.sqrt() / mean;
            assert!((variation - 1.0).abs() < 0.013, "CV {variation} with seed {seed}");
            for window_s in [1.0, 10.0] {
                let dispersion = dispersion(&gaps, window_s);
                let windows = 100_000.0 / RATE / window_s;
                let bound = 4.0 * f64::sqrt(2.0 / windows);
                assert!((dispersion - 1.0).abs() < bound, "{dispersion} in {window_s} s with seed {seed}");
            }
            // A gap says nothing of the next one.
            let pairs = gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean));
            let correlation = pairs.sum::<f64>() / variance / gaps.len() as f64;
            assert!(correlation.abs() < 0.013, "correlation {correlation} with seed {seed}");
        }
    }

    /// Variance over mean of the starts in each whole window.
    fn dispersion(gaps_s: &[f64], window_s: f64) -> f64 {
        let mut at_s = 0.0;
        let starts: Vec<f64> = gaps_s
            .iter()
            .map(|gap| {
                at_s += gap;
                at_s
            })
            .collect();
        let mut counts = vec![0.0; (at_s / window_s) as usize];
        for start in starts {
            if let Some(count) = counts.get_mut((start / window_s) as usize) {
                *count += 1.0;
            }
        }
        let (mean, variance) = moments(&counts);
        variance / mean
    }

    #[test]
    fn the_threads_of_a_client_share_one_schedule_whatever_their_number() {
        for arrivals in [Arrivals::Poisson { rate: 300.0 }, Arrivals::Constant { rate: 300.0 }] {
            let alone: Vec<(u64, u64)> = all(arrivals.clone(), Some(3_000), None, 9).collect();
            for threads in [1, 2, 4] {
                // As the workers take them: each makes all and plays its share.
                let share = |number| {
                    all(arrivals.clone(), Some(3_000), None, 9)
                        .filter(move |(index, _)| index % threads == number)
                };
                let mut together: Vec<(u64, u64)> = (0..threads).flat_map(share).collect();
                together.sort_unstable();
                assert_eq!(together, alone, "{threads} threads");
            }
        }
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0))
    }
}
