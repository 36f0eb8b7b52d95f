//! Draws that are pure functions of a seed and a number: no stream of random numbers, so that the k-th is the same
//! on every thread and machine, whichever were drawn before it.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::schema::seeds::finalised;
use crate::schema::synthetic::Lengths;

/// What a draw is for: draws for different ends have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Length of the k-th prompt.
    PromptLength = 1,
    /// Length of the k-th answer.
    OutputLength = 2,
    /// Text of the k-th prompt.
    Text = 3,
    /// Text of a group's prefix.
    Prefix = 4,
    /// What makes a repeated prompt another.
    Nonce = 5,
}

/// A number of 64 bits for the k-th draw: SplitMix64's finaliser over each part in turn.
pub fn seed_of(seed: u64, purpose: Purpose, pass: u64, k: u64) -> u64 {
    [purpose as u64, pass, k]
        .into_iter()
        .fold(finalised(seed), |state, part| finalised(state ^ finalised(part)))
}

/// The k-th length by a law, tokens.
pub fn length(law: &Lengths, seed: u64, purpose: Purpose, k: u64) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed_of(seed, purpose, 0, k));
    match law {
        Lengths::Fixed { tokens } => *tokens,
        Lengths::Uniform { min, max } => {
            let span = u64::from(max.saturating_sub(*min)) + 1;
            min + ((u64::from(random.next_u32()) * span) >> 32) as u32
        }
        Lengths::Choices { tokens } => {
            let place = (u64::from(random.next_u32()) * tokens.len() as u64) >> 32;
            tokens.get(place as usize).copied().unwrap_or(1)
        }
        Lengths::Normal { mean, sd, min, max } => {
            normal_within(*mean, *sd, half_below(*min), half_above(*max), unit(&mut random))
                .round()
                .clamp(f64::from(*min), f64::from(*max)) as u32
        }
        Lengths::Lognormal { mean, sd, min, max } => {
            let variance = (1.0 + (sd / mean).powi(2)).ln();
            let (from, to) = (half_below(*min).max(0.5).ln(), half_above(*max).ln());
            normal_within(mean.ln() - variance / 2.0, variance.sqrt(), from, to, unit(&mut random))
                .exp()
                .round()
                .clamp(f64::from(*min), f64::from(*max)) as u32
        }
        Lengths::Poisson { mean } => poisson(*mean, &mut random),
    }
    .max(1)
}

/// Poisson's law; 0 counts as 1.
pub fn poisson(mean: f64, random: &mut ChaCha8Rng) -> u32 {
    Poisson::new(mean).map_or(1.0, |law| law.sample(random)).max(1.0) as u32
}

fn half_below(least: u32) -> f64 {
    f64::from(least) - 0.5
}

fn half_above(most: u32) -> f64 {
    f64::from(most) + 0.5
}

/// Above 0 and below 1.
fn unit(random: &mut ChaCha8Rng) -> f64 {
    ((random.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// A normal value between two bounds: the law's inverse at the given part of the probability between them.
fn normal_within(mean: f64, sd: f64, from: f64, to: f64, part: f64) -> f64 {
    let Ok(law) = Normal::new(mean, sd) else { return mean.clamp(from, to) };
    let (below, above) = (law.cdf(from), law.cdf(to));
    law.inverse_cdf(below + part * (above - below)).clamp(from, to)
}

/// A normal value without bounds.
pub fn normal(mean: f64, sd: f64, random: &mut ChaCha8Rng) -> f64 {
    Normal::new(mean, sd).map_or(mean, |law| law.inverse_cdf(unit(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(law: &Lengths, count: u64) -> Vec<f64> {
        (0..count).map(|k| f64::from(length(law, 7, Purpose::PromptLength, k))).collect()
    }

    fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn lengths_follow_their_law() {
        let uniform = drawn(&Lengths::Uniform { min: 10, max: 19 }, 100_000);
        let mut counts = [0.0; 10];
        uniform.iter().for_each(|value| counts[*value as usize - 10] += 1.0);
        let chi_square: f64 = counts.iter().map(|count: &f64| (count - 1e4).powi(2) / 1e4).sum();
        assert!(chi_square < 27.9, "{chi_square} of 9 degrees of freedom, at 0.1 %");

        let choices = drawn(&Lengths::Choices { tokens: vec![32, 64, 128] }, 30_000);
        let of = |tokens: f64| choices.iter().filter(|value| **value == tokens).count() as f64;
        assert!(
            [32.0, 64.0, 128.0].iter().all(|tokens| (of(*tokens) - 1e4).abs() < 330.0),
            "four deviations"
        );

        // Standard errors of a mean of 100,000: 0.16, 0.32 and 0.03; of a deviation, about 0.7 of it and more in a tail.
        let (mean, sd) =
            mean_and_deviation(&drawn(&Lengths::Normal { mean: 400.0, sd: 50.0, min: 1, max: 800 }, 100_000));
        assert!((mean - 400.0).abs() < 0.64 && (sd - 50.0).abs() < 0.5, "normal {mean} {sd}");
        let long = Lengths::Lognormal { mean: 200.0, sd: 100.0, min: 1, max: 1_000_000 };
        let (mean, sd) = mean_and_deviation(&drawn(&long, 100_000));
        assert!((mean - 200.0).abs() < 1.3 && (sd - 100.0).abs() < 3.0, "lognormal {mean} {sd}");
        let (mean, sd) = mean_and_deviation(&drawn(&Lengths::Poisson { mean: 100.0 }, 100_000));
        assert!((mean - 100.0).abs() < 0.13 && (sd - 10.0).abs() < 0.1, "Poisson {mean} {sd}");
    }

    #[test]
    fn bounds_cut_a_law_off_and_heap_nothing_up_on_them() {
        let cut = drawn(&Lengths::Normal { mean: 100.0, sd: 50.0, min: 90, max: 110 }, 21_000);
        assert!(cut.iter().all(|value| (90.0..=110.0).contains(value)));
        let at = |tokens: f64| cut.iter().filter(|value| **value == tokens).count();
        assert!(at(90.0) < 1200 && at(110.0) < 1200, "{} and {} of a thousand each", at(90.0), at(110.0));
        assert!(drawn(&Lengths::Poisson { mean: 0.2 }, 1000).iter().all(|value| *value >= 1.0));
    }

    #[test]
    fn draws_of_different_ends_passes_and_seeds_are_others() {
        let one = seed_of(1, Purpose::Text, 0, 5);
        assert_eq!(one, seed_of(1, Purpose::Text, 0, 5));
        for other in [
            (2, Purpose::Text, 0, 5),
            (1, Purpose::Prefix, 0, 5),
            (1, Purpose::Text, 1, 5),
            (1, Purpose::Text, 0, 6),
        ] {
            assert_ne!(one, seed_of(other.0, other.1, other.2, other.3), "{other:?}");
        }
    }
}
