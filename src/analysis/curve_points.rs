//! Bins and blocks → the points of a curve: evenly spaced, bounded in number, at a width that is a round number.

use crate::schema::curves::CURVE_POINTS;

/// Digits that a point keeps: more than any picture shows.
const DIGITS: i32 = 5;

/// A value to five digits, so that the file of a run stays small.
pub(super) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let above = value.abs().log10().floor() as i32 + 1 - DIGITS;
    if above > 0 {
        let unit = 10f64.powi(above);
        (value / unit).round() * unit
    } else {
        let parts = 10f64.powi(-above);
        (value * parts).round() / parts
    }
}

/// Amounts that lie in equal bins from µs 0 on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binned<'a, Amount> {
    /// Width of a bin, µs.
    pub(super) width_us: u64,
    /// What each holds.
    pub(super) amounts: &'a [Amount],
}

impl<Amount: Copy + Into<u64>> Binned<'_, Amount> {
    /// The mean amount a µs, times `unit`, of each whole stretch between two moments, at its middle: seconds after
    /// the first. What a bin holds is taken as spread evenly over it. A stretch is a round number (1, 2, 5 or 10 ms,
    /// and so on), the shortest that makes at most [`CURVE_POINTS`] of them.
    pub(super) fn means(&self, from_us: u64, to_us: u64, unit: f64) -> Vec<(f64, f64)> {
        let stretch_us =
            round_width_us(to_us.saturating_sub(from_us) / CURVE_POINTS as u64).max(self.width_us);
        let stretches = to_us.saturating_sub(from_us) / stretch_us;
        let mean = |number: u64| {
            let from = from_us + number * stretch_us;
            let amount = self.between(from, from + stretch_us);
            let middle_s = (number as f64 + 0.5) * stretch_us as f64 / 1e6;
            (rounded(middle_s), rounded(amount / stretch_us as f64 * unit))
        };
        (0..stretches.min(CURVE_POINTS as u64)).map(mean).collect()
    }

    /// What lies between two moments, µs.
    fn between(&self, from_us: u64, to_us: u64) -> f64 {
        let bins = from_us / self.width_us..to_us.div_ceil(self.width_us);
        let held = bins.map(|bin| {
            let amount: u64 = self.amounts.get(bin as usize).copied().map_or(0, Into::into);
            let (start, end) = (bin * self.width_us, (bin + 1) * self.width_us);
            let inside_us = end.min(to_us).saturating_sub(start.max(from_us));
            amount as f64 * inside_us as f64 / self.width_us as f64
        });
        held.sum()
    }
}

/// The round number of µs that is just above another, 1 ms or more.
fn round_width_us(above_us: u64) -> u64 {
    let mut decade_us = 1_000;
    loop {
        for factor in [1, 2, 5] {
            if decade_us * factor > above_us {
                return decade_us * factor;
            }
        }
        decade_us *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_are_kept_and_no_more() {
        let pairs = [(0.0, 0.0), (1.0, 1.0), (123_456.7, 123_460.0), (0.001_234_567, 0.001_234_6)];
        for (value, kept) in pairs {
            assert_eq!(rounded(value), kept, "{value}");
        }
        assert_eq!(rounded(99.999_99), 100.0);
    }

    #[test]
    fn two_seconds_and_two_hours_both_become_some_hundred_points() {
        for (span_us, points) in [(2_000_000, 400), (7_200_000_000, 360), (50_000, 50), (999, 0)] {
            let bins = vec![3_u32; (span_us / 1_000) as usize + 1];
            let means = Binned { width_us: 1_000, amounts: &bins }.means(0, span_us, 1e6);
            assert_eq!(means.len(), points, "{span_us} µs");
            assert!(means.iter().all(|(_, mean)| *mean == 3_000.0), "{means:?}");
        }
    }

    #[test]
    fn stretches_begin_where_the_window_does_and_split_bins_that_lie_across() {
        let binned = Binned { width_us: 1_000, amounts: &[0_u64, 10, 20, 0] };
        assert_eq!(binned.means(1_500, 3_500, 1e3), [(0.0005, 15.0), (0.0015, 10.0)]);
    }
}
