//! Levels for looking at the rounds again and again: a group-sequential test whose false alarms stay at the level asked
//! for although it looks after each round.
//!
//! The error is spent in proportion to the rounds (Lan & DeMets 1983; the power family of Kim & DeMets 1987 with ρ = 1):
//! after n of at most N rounds the chance of a false alarm is level · n/N. The levels of the looks follow by numerical
//! integration over independent increments (Armitage, McPherson & Rowe 1969; Jennison & Turnbull, "Group Sequential
//! Methods", 2000, ch. 19). As the variance is not known, Student's t is taken at these levels (the significance-level
//! approach, ibid. ch. 11), and the intervals are repeated confidence intervals (ibid. ch. 9).
//! `cargo bench --bench verdicts` shows by simulation what that costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::schema::verdict::ROUNDS_FOR_A_VERDICT;

use super::student::normal_tail;

/// Overall levels for which the looks' levels are computed; those between follow on logarithms.
const LEVELS: [f64; 12] = [1e-7, 1e-6, 1e-5, 1e-4, 5e-4, 2e-3, 5e-3, 0.01, 0.025, 0.05, 0.2, 0.5];
/// The share of the level that is spent. Student's t at successive looks is less alike than the sums that the integration
/// is over, so that its looks cross more often: of 200,000 simulated sequences 1.12 to 1.34 times as often, at levels of
/// 0.05, 0.01 and 0.002 and 5 to 40 rounds. A single look is exact.
const SPENT: f64 = 0.75;
/// Spacing of the points of the integral, in standard deviations of a round.
const SPACING: f64 = 0.25;
/// Further than this a round does not go, standard deviations.
const FARTHEST: f64 = 7.0;

/// The levels of the looks of a plan of so many rounds at most.
#[derive(Debug, PartialEq)]
pub struct Looks {
    rounds_max: u32,
    /// By overall level, as [`LEVELS`]; then by look, the first after three rounds.
    nominal: Vec<Vec<f64>>,
}

/// The looks that were computed already: they depend on nothing but the most rounds.
static KNOWN: Mutex<BTreeMap<u32, Arc<Looks>>> = Mutex::new(BTreeMap::new());

impl Looks {
    /// The looks after three, four, … rounds, `rounds_max` at most.
    pub fn of(rounds_max: u32) -> Arc<Looks> {
        let rounds_max = rounds_max.max(ROUNDS_FOR_A_VERDICT);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = known.entry(rounds_max).or_insert_with(|| {
            let nominal = LEVELS.iter().map(|level| nominal_levels(*level, rounds_max)).collect();
            Arc::new(Looks { rounds_max, nominal })
        });
        Arc::clone(looks)
    }

    /// The two-sided level of the test after so many rounds, where the whole sequence is to have the level `overall`; 0
    /// below three rounds, when nobody looks.
    pub fn nominal(&self, rounds: u32, overall: f64) -> f64 {
        let Some(look) = self.look(rounds) else { return 0.0 };
        let curve = self.curve(look);
        interpolate(curve.iter().map(|(overall, nominal)| (*overall, *nominal)), overall * self.spent())
    }

    /// The overall level at which the test after so many rounds just rejects a hypothesis of this p value: the repeated
    /// p value (Jennison & Turnbull 2000, ch. 9). 1 below three rounds.
    pub fn repeated_p(&self, rounds: u32, p: f64) -> f64 {
        let Some(look) = self.look(rounds) else { return 1.0 };
        let curve = self.curve(look);
        let (last_overall, last_nominal) = curve.last().copied().unwrap_or((1.0, 1.0));
        if p > last_nominal && last_overall < 1.0 {
            return 1.0;
        }
        (interpolate(curve.iter().map(|(overall, nominal)| (*nominal, *overall)), p) / self.spent()).min(1.0)
    }

    fn spent(&self) -> f64 {
        if self.rounds_max > ROUNDS_FOR_A_VERDICT { SPENT } else { 1.0 }
    }

    fn look(&self, rounds: u32) -> Option<usize> {
        Some(rounds.min(self.rounds_max).checked_sub(ROUNDS_FOR_A_VERDICT)? as usize)
    }

    fn curve(&self, look: usize) -> Vec<(f64, f64)> {
        LEVELS
            .iter()
            .zip(&self.nominal)
            .filter_map(|(overall, nominal)| Some((*overall, *nominal.get(look)?)))
            .collect()
    }
}

/// Between points on double logarithms, along the outermost ones beyond; 0 at 0.
fn interpolate(points: impl Iterator<Item = (f64, f64)>, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let logs: Vec<(f64, f64)> = points.map(|(x, y)| (x.ln(), y.ln())).collect();
    let x = x.ln();
    let above = logs.partition_point(|(known, _)| *known < x).clamp(1, logs.len().saturating_sub(1).max(1));
    match (logs.get(above - 1), logs.get(above)) {
        (Some((x0, y0)), Some((x1, y1))) => (y0 + (y1 - y0) * (x - x0) / (x1 - x0)).exp(),
        (Some((_, y)), None) | (None, Some((_, y))) => y.exp(),
        (None, None) => 0.0,
    }
}

/// The two-sided level of each look: the chance to cross its bound, and none before, is `overall` times the share of
/// the rounds since the look before.
fn nominal_levels(overall: f64, rounds_max: u32) -> Vec<f64> {
    let share = overall / f64::from(rounds_max);
    let first = share * f64::from(ROUNDS_FOR_A_VERDICT);
    let mut levels = vec![first];
    let mut bound = quantile(first / 2.0) * f64::from(ROUNDS_FOR_A_VERDICT).sqrt();
    let deviation = f64::from(ROUNDS_FOR_A_VERDICT).sqrt();
    let mut walk = Walk::new(bound, |at| density(at / deviation) / deviation);
    for rounds in ROUNDS_FOR_A_VERDICT + 1..=rounds_max {
        bound = walk.bound_for(share);
        levels.push(2.0 * normal_tail(bound / f64::from(rounds).sqrt()));
        walk = Walk::new(bound, |at| walk.density_at(at));
    }
    levels
}

/// Where a sum of rounds, each of variance 1, may be that has crossed no bound yet: its density on a half line, as it is
/// the same on the other.
struct Walk {
    points: Vec<(f64, f64)>,
}

impl Walk {
    /// The density up to a bound, with Simpson's weights.
    fn new(bound: f64, density_at: impl Fn(f64) -> f64) -> Walk {
        let halves = (bound / (2.0 * SPACING)).ceil().max(1.0) as u32;
        let step = bound / f64::from(2 * halves);
        let points = (0..=2 * halves)
            .map(|place| {
                let at = f64::from(place) * step;
                let weight =
                    if place == 0 || place == 2 * halves { 1.0 } else { f64::from(2 + 2 * (place % 2)) };
                (at, density_at(at) * weight * step / 3.0)
            })
            .collect();
        Walk { points }
    }

    /// The density one round later.
    fn density_at(&self, at: f64) -> f64 {
        let both = |from: f64| density(at - from) + density(at + from);
        self.points.iter().map(|(from, mass)| mass * both(*from)).sum()
    }

    /// The chance to lie beyond a bound on either side one round later.
    fn beyond(&self, bound: f64) -> f64 {
        let both = |from: f64| normal_tail(bound - from) + normal_tail(bound + from);
        2.0 * self.points.iter().map(|(from, mass)| mass * both(*from)).sum::<f64>()
    }

    /// The bound that is crossed with a probability one round later.
    fn bound_for(&self, probability: f64) -> f64 {
        let (mut low, mut high) = (0.0, self.points.last().map_or(0.0, |(at, _)| *at) + FARTHEST);
        for _ in 0..45 {
            let middle = (low + high) / 2.0;
            if self.beyond(middle) > probability { low = middle } else { high = middle }
        }
        high
    }
}

/// The standard normal density; 0 far out.
fn density(z: f64) -> f64 {
    if z.abs() > FARTHEST { 0.0 } else { (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() }
}

/// Where the upper tail of the standard normal distribution holds `tail`.
fn quantile(tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_tail(middle) > tail { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::super::student::critical;
    use super::*;

    #[test]
    fn one_look_has_the_level_of_the_whole() {
        assert!((Looks::of(3).nominal(3, 0.05) - 0.05).abs() < 1e-9);
        assert_eq!((Looks::of(3).nominal(2, 0.05), Looks::of(3).repeated_p(2, 0.0)), (0.0, 1.0));
    }

    /// The chance that Student's t crosses the bound of any look, by simulation, is no more than was asked for.
    #[test]
    fn all_looks_together_have_the_level_that_was_asked_for() {
        use rand::SeedableRng;
        use rand_distr::{Distribution, StandardNormal};
        let looks = Looks::of(20);
        let bounds: Vec<f64> = (3..=20)
            .map(|rounds: u32| critical(looks.nominal(rounds, 0.05), f64::from(rounds) - 1.0))
            .collect();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let tries = 20_000;
        let crossed = (0..tries).filter(|_| {
            let (mut sum, mut squares) = (0.0, 0.0);
            let crossings = (1..=20).filter(|rounds: &u32| {
                let value: f64 = StandardNormal.sample(&mut random);
                sum += value;
                squares += value * value;
                let n = f64::from(*rounds);
                let variance = (squares - sum * sum / n) / (n - 1.0);
                let bound = rounds.checked_sub(3).and_then(|look| bounds.get(look as usize));
                bound.is_some_and(|bound| (sum / (n * variance).sqrt()).abs() > *bound)
            });
            crossings.count() > 0
        });
        let share = crossed.count() as f64 / f64::from(tries);
        assert!((0.035..0.05).contains(&share), "{share}");
    }

    #[test]
    fn a_repeated_p_value_turns_the_level_of_a_look_back() {
        let looks = Looks::of(20);
        for rounds in [3, 5, 12, 20] {
            for overall in [1e-9, 1e-5, 0.003, 0.05, 0.3] {
                let back = looks.repeated_p(rounds, looks.nominal(rounds, overall));
                assert!((back / overall - 1.0).abs() < 1e-6, "{rounds} rounds, {overall}: {back}");
            }
            assert_eq!((looks.repeated_p(rounds, 1.0), looks.repeated_p(rounds, 0.0)), (1.0, 0.0));
        }
    }

    #[test]
    fn no_look_is_as_lenient_as_a_single_one_would_be() {
        for rounds_max in [4, 10, 60] {
            let looks = Looks::of(rounds_max);
            for rounds in 3..=rounds_max {
                let nominal = looks.nominal(rounds, 0.05);
                assert!(nominal > 0.0 && nominal < 0.05, "{rounds} of {rounds_max}: {nominal}");
            }
        }
    }
}
