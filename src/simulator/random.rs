//! Seeded chance: the same seed and key give the same draws, whatever order requests come in.

/// A small generator (SplitMix64; Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The generator of one purpose and one key under a seed.
    pub fn new(seed: u64, purpose: u64, key: u64) -> Self {
        let mut random = Self(seed ^ purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        random.0 = random.next() ^ key;
        random.next();
        random
    }

    /// 64 even bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `nanoseconds` times an even factor in 1 ± `jitter`.
    pub fn jittered(&mut self, nanoseconds: u64, jitter: f64) -> u64 {
        if jitter == 0.0 {
            return nanoseconds;
        }
        (nanoseconds as f64 * (1.0 + jitter * (2.0 * self.unit() - 1.0))) as u64
    }
}

/// A 64-bit hash of bytes (FNV-1a).
pub fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_key_give_the_same_draws_and_another_key_others() {
        let draw = |seed, key| Random::new(seed, 1, key).next();
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(8, 3), draw(7, 3));
    }

    #[test]
    fn jitter_stays_within_its_half_width_and_is_centred() {
        let mut random = Random::new(1, 2, 3);
        let draws: Vec<u64> = (0..20_000).map(|_| random.jittered(1_000_000, 0.1)).collect();
        assert!(draws.iter().all(|ns| (900_000..=1_100_000).contains(ns)));
        let mean = draws.iter().sum::<u64>() as f64 / draws.len() as f64;
        assert!((mean - 1e6).abs() < 2_000.0, "{mean}");
    }
}
