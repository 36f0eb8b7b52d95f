//! Draws that are pure functions of a seed and a number: no stream of random numbers, so that the k-th is the same
//! on every thread and machine, whichever were drawn before it.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use statrs::distribution::{ContinuousCDF, Normal};

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
    [purpose as u64, pass, k].into_iter().fold(mixed(seed), |state, part| mixed(state ^ mixed(part)))
}

fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
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
