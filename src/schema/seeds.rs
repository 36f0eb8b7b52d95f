//! Seeds of what chance decides before a load begins: each kind of thing from a seed of its own, and the k-th of it a
//! pure function of the seed and k.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seeds beside that of the arrival times, which is the plan's `seed`. All are the same number unless one is given;
/// what is drawn from them differs all the same ([`Seeds::draw`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Seeds {
    /// Which requests are made: texts, models, think times.
    pub requests: u64,
    /// How long prompts and answers are.
    pub lengths: u64,
}

/// What a number is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The text of a request.
    Request,
    /// The lengths of a request.
    Length,
    /// The model of a unit.
    Model,
    /// The pause before a turn.
    ThinkTime,
}

/// 2^64 over the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Seeds {
    /// One number for all.
    pub fn of(seed: u64) -> Seeds {
        Seeds { requests: seed, lengths: seed }
    }

    /// 64 random bits for the k-th of a kind: to seed a generator with, or to be taken as they are ([`unit_interval`]).
    /// SplitMix64's finaliser (Steele, Lea and Flood 2014) over the seed, the kind and k, so that nothing of one
    /// kind says anything of another, nor of the arrival times.
    pub fn draw(self, kind: Draw, k: u64) -> u64 {
        let (seed, kind): (u64, u64) = match kind {
            Draw::Request => (self.requests, 1),
            Draw::Length => (self.lengths, 2),
            Draw::Model => (self.requests, 3),
            Draw::ThinkTime => (self.requests, 4),
        };
        finalised(finalised(finalised(seed) ^ STEP.wrapping_mul(kind)).wrapping_add(k.wrapping_mul(STEP)))
    }
}

/// 64 random bits as a number from 0 to 1, 1 excluded.
pub fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// SplitMix64's step and finaliser: bits that follow each other become bits that say nothing of each other.
pub fn finalised(bits: u64) -> u64 {
    let bits = bits.wrapping_add(STEP);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_even_and_of_one_kind_says_nothing_of_another() {
        let seeds = Seeds::of(7);
        let values = |kind| (0..100_000).map(|k| unit_interval(seeds.draw(kind, k))).collect::<Vec<f64>>();
        let kinds = [Draw::Request, Draw::Length, Draw::Model, Draw::ThinkTime].map(values);
        for (place, values) in kinds.iter().enumerate() {
            let mut tenths = [0.0; 10];
            for value in values {
                tenths[(value * 10.0) as usize] += 1.0;
            }
            let chi_square: f64 = tenths.iter().map(|count: &f64| (count - 1e4).powi(2) / 1e4).sum();
            assert!(chi_square < 27.9, "{chi_square} of 9 degrees of freedom, at 0.1 %");
            for other in &kinds[..place] {
                let pairs = values.iter().zip(other).map(|(a, b)| (a - 0.5) * (b - 0.5));
                let correlation = pairs.sum::<f64>() * 12.0 / 1e5;
                assert!(correlation.abs() < 0.013, "correlation {correlation}");
            }
        }
    }

    #[test]
    fn lengths_have_a_seed_of_their_own() {
        let other = Seeds { lengths: 8, ..Seeds::of(7) };
        assert_eq!(other.draw(Draw::Request, 3), Seeds::of(7).draw(Draw::Request, 3));
        assert_ne!(other.draw(Draw::Length, 3), Seeds::of(7).draw(Draw::Length, 3));
    }
}
