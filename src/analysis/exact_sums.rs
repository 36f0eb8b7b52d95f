//! Mean and standard deviation from whole numbers, summed without any rounding: the same in whatever order, and in
//! however many parts, the values come.

/// Count, sum and sum of squares of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ExactSums {
    count: u64,
    sum: u128,
    squares: Wide,
}

/// An unsigned number of 192 bits: squares of 2⁶⁴ values of 64 bits add up to no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Wide {
    high: u64,
    low: u128,
}

impl ExactSums {
    /// Adds a value so many times.
    pub(super) fn add(&mut self, value: u64, times: u64) {
        self.count += times;
        self.sum += u128::from(value) * u128::from(times);
        self.squares = self.squares.plus(Wide::product(u128::from(value) * u128::from(value), times));
    }

    /// Adds the values of another.
    pub(super) fn merge(&mut self, other: ExactSums) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares = self.squares.plus(other.squares);
    }

    /// Values.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; 0 of none.
    pub(super) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// Their sample standard deviation; 0 of fewer than two.
    pub(super) fn std(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        // With the mean's whole part q and rest r: Σ(x − q)² = Σx² − q(Σx + r), and Σ(x − mean)² is r²/n less.
        let count = u128::from(self.count);
        let (whole, rest) = (self.sum / count, self.sum % count);
        let around = self.squares.minus(Wide::product(self.sum + rest, whole as u64)).to_f64();
        let rest = rest as f64;
        ((around - rest * rest / self.count as f64).max(0.0) / (self.count - 1) as f64).sqrt()
    }
}

impl Wide {
    fn product(left: u128, right: u64) -> Wide {
        let right = u128::from(right);
        let low = (left & u128::from(u64::MAX)) * right;
        let high = (left >> 64) * right;
        let (low, carry) = low.overflowing_add(high << 64);
        Wide { high: (high >> 64) as u64 + u64::from(carry), low }
    }

    fn plus(self, other: Wide) -> Wide {
        let (low, carry) = self.low.overflowing_add(other.low);
        Wide { high: self.high.wrapping_add(other.high).wrapping_add(u64::from(carry)), low }
    }

    fn minus(self, other: Wide) -> Wide {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Wide { high: self.high.wrapping_sub(other.high).wrapping_sub(u64::from(borrow)), low }
    }

    fn to_f64(self) -> f64 {
        self.high as f64 * 2f64.powi(128) + self.low as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[(u64, u64)]) -> ExactSums {
        let mut sums = ExactSums::default();
        values.iter().for_each(|(value, times)| sums.add(*value, *times));
        sums
    }

    #[test]
    fn the_textbooks_example_of_cancellation_keeps_its_variance_at_any_height() {
        for offset in [0, 1_000_000_000, u64::MAX - 16] {
            let sums = of(&[(offset + 4, 1), (offset + 7, 1), (offset + 13, 1), (offset + 16, 1)]);
            assert!((sums.std() - 30f64.sqrt()).abs() < 1e-12, "{offset}: {}", sums.std());
        }
        let least_and_most = of(&[(0, 1 << 40), (u64::MAX, 1 << 40)]);
        let half = u64::MAX as f64 / 2.0;
        assert!((least_and_most.std() / half - 1.0).abs() < 1e-9, "{}", least_and_most.std());
    }

    #[test]
    fn no_value_and_one_value_do_not_deviate() {
        assert_eq!((of(&[]).count(), of(&[]).mean(), of(&[]).std()), (0, 0.0, 0.0));
        assert_eq!((of(&[(7, 1)]).mean(), of(&[(7, 1)]).std()), (7.0, 0.0));
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(
            values in proptest::collection::vec((any::<u64>(), 0u64..1 << 30), 0..20), cut in 0usize..20
        ) {
            let cut = cut.min(values.len());
            let mut parts = of(&values[cut..]);
            parts.merge(of(&values[..cut]));
            prop_assert_eq!(parts, of(&values));
        }
    }
}
