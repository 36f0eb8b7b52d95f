//! Latencies of a run that goes, counted into the buckets that Prometheus reads.

use std::collections::BTreeMap;

/// Upper bounds of whole waits (TTFT, E2E), s: from a cached prompt on a small model to a long answer in a queue.
pub const WAIT_BOUNDS_S: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0,
    5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];
/// Upper bounds of steps between tokens (ITL, TPOT), s: closest where readers' speeds lie.
pub const STEP_BOUNDS_S: &[f64] = &[
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06,
    0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0,
];

/// Native buckets a doubling, as a power of two: bound k is 2^(k/16), so that each is 4.4 % above the one before.
/// <https://prometheus.io/docs/specs/native_histograms/#schema>
pub const NATIVE_SCHEMA: i32 = 4;
const NATIVE_A_DOUBLING: f64 = 16.0;
/// Values up to this are zero to the native buckets, s: below what the clock tells.
pub const NATIVE_ZERO_S: f64 = 1e-6;

/// Values by bucket, both of fixed bounds and of Prometheus' native ones. They only grow.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveHistogram {
    bounds_s: &'static [f64],
    /// Values up to each bound and above the one before; the last are above all bounds.
    counts: Vec<u64>,
    native: BTreeMap<i32, u64>,
    zeros: u64,
    sum_s: f64,
    count: u64,
}

impl LiveHistogram {
    /// Without a value; `bounds_s` rise.
    pub fn new(bounds_s: &'static [f64]) -> LiveHistogram {
        LiveHistogram {
            bounds_s,
            counts: vec![0; bounds_s.len() + 1],
            native: BTreeMap::new(),
            zeros: 0,
            sum_s: 0.0,
            count: 0,
        }
    }

    /// Adds a value so many times, s.
    pub fn add(&mut self, value_s: f64, times: u64) {
        let bucket = self.bounds_s.partition_point(|bound_s| *bound_s < value_s);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += times;
        }
        match native_bucket(value_s) {
            Some(bucket) => *self.native.entry(bucket).or_default() += times,
            None => self.zeros += times,
        }
        self.sum_s += value_s * times as f64;
        self.count += times;
    }

    /// Adds the values of another with the same bounds.
    pub fn join(&mut self, other: &LiveHistogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        for (bucket, more) in &other.native {
            *self.native.entry(*bucket).or_default() += more;
        }
        self.zeros += other.zeros;
        self.sum_s += other.sum_s;
        self.count += other.count;
    }

    /// Each bound, s, with the number of values up to it; the last bound is infinite.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = self.bounds_s.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().scan(0, |below, count| {
            *below += count;
            Some(*below)
        }))
    }

    /// Native buckets that hold a value, with how many: bucket k holds values above 2^((k−1)/16) s and up to 2^(k/16) s.
    pub fn native(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.native.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Values up to [`NATIVE_ZERO_S`].
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Sum of all values, s.
    pub fn sum_s(&self) -> f64 {
        self.sum_s
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// The native bucket of a value; none of what counts as zero.
fn native_bucket(value_s: f64) -> Option<i32> {
    if value_s <= NATIVE_ZERO_S {
        return None;
    }
    let bound = |bucket: f64| (bucket / NATIVE_A_DOUBLING).exp2();
    let mut bucket = (value_s.log2() * NATIVE_A_DOUBLING).ceil();
    // A logarithm is off by its last bit, and the bounds themselves belong to the bucket below.
    if bound(bucket) < value_s {
        bucket += 1.0;
    } else if bound(bucket - 1.0) >= value_s {
        bucket -= 1.0;
    }
    Some(bucket as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_the_bucket_below_it() {
        let mut histogram = LiveHistogram::new(&[0.1, 1.0]);
        for value_s in [0.1, 0.5, 1.0, 1.5] {
            histogram.add(value_s, 1);
        }
        let counts: Vec<_> = histogram.cumulative().collect();
        assert_eq!(counts, [(0.1, 1), (1.0, 3), (f64::INFINITY, 4)]);
        assert_eq!((histogram.count(), histogram.sum_s()), (4, 3.1));
        // 1 s is 2^0: the bound of bucket 0; 2^(1/16) s that of bucket 1.
        assert_eq!(native_bucket(1.0), Some(0));
        assert_eq!(native_bucket(1.0 + 1e-12), Some(1));
        assert_eq!(native_bucket((1.0_f64 / 16.0).exp2()), Some(1));
        assert_eq!(native_bucket(0.5), Some(-16));
    }

    #[test]
    fn every_value_lies_within_the_bounds_of_its_native_bucket() {
        let mut value_s = 1.1e-6;
        while value_s < 1e5 {
            let bucket = f64::from(native_bucket(value_s).unwrap_or(i32::MAX));
            assert!((bucket / 16.0).exp2() >= value_s, "{value_s}");
            assert!(((bucket - 1.0) / 16.0).exp2() < value_s, "{value_s}");
            value_s *= 1.003;
        }
        assert_eq!(native_bucket(NATIVE_ZERO_S), None);
        assert_eq!(native_bucket(0.0), None);
    }

    #[test]
    fn two_histograms_joined_hold_what_one_of_all_values_holds() {
        let [mut left, mut right, mut both] = [(); 3].map(|()| LiveHistogram::new(STEP_BOUNDS_S));
        for step in 0..200_u32 {
            let value_s = f64::from(step) * 0.5;
            if step % 3 == 0 {
                left.add(value_s, 2)
            } else {
                right.add(value_s, 2)
            }
            both.add(value_s, 2);
        }
        left.join(&right);
        assert_eq!(left, both);
        assert_eq!(both.zeros(), 2);
    }

    #[test]
    fn the_bounds_rise() {
        for bounds_s in [WAIT_BOUNDS_S, STEP_BOUNDS_S] {
            assert!(bounds_s.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
