//! A distribution function in at most [`CURVE_POINTS`] points, exact at each of them.

use crate::schema::curves::CURVE_POINTS;

use super::curve_points::rounded;

/// Evenly spaced ranks of a large distribution; the rest of the points goes to its ends.
const EVEN: u64 = 384;
/// From one rank towards an end to the next: three to a factor of three.
const TAIL_FACTOR: f64 = 0.7;

/// Values with the share that is at or below each, %. `at` gives the value of a rank, 0 for the smallest, with the
/// number of values at or below it. The first and the last value are always there.
pub(super) fn ecdf(count: u64, at: impl Fn(u64) -> (f64, u64)) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for rank in ranks(count) {
        let (value, up_to) = at(rank);
        let value = rounded(value);
        let share = 100.0 * up_to as f64 / count as f64;
        match points.last_mut() {
            // Values that are equal to five digits are one step.
            Some(last) if last.0 >= value => last.1 = last.1.max(share),
            Some(_) | None => points.push((value, share)),
        }
    }
    for (_, share) in &mut points {
        *share = rounded(*share);
    }
    points
}

/// All ranks of few values; of many some hundred in equal steps, and ever closer ones towards both ends, where the
/// tails are.
fn ranks(count: u64) -> Vec<u64> {
    if count <= CURVE_POINTS as u64 {
        return (0..count).collect();
    }
    let last = count - 1;
    let mut ranks: Vec<u64> = (0..EVEN).map(|step| step * last / (EVEN - 1)).collect();
    let mut from_end = last as f64 / EVEN as f64;
    while from_end >= 1.0 && ranks.len() + 2 <= CURVE_POINTS {
        ranks.extend([from_end as u64, last - from_end as u64]);
        from_end *= TAIL_FACTOR;
    }
    ranks.sort_unstable();
    ranks.dedup();
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sorted: &[f64]) -> Vec<(f64, f64)> {
        let at = |rank: u64| {
            let value = sorted[rank as usize];
            (value, sorted.partition_point(|other| *other <= value) as u64)
        };
        ecdf(sorted.len() as u64, at)
    }

    #[test]
    fn few_values_are_each_a_step_and_equal_ones_a_high_one() {
        assert_eq!(of(&[10.0, 20.0, 20.0, 30.0]), [(10.0, 25.0), (20.0, 75.0), (30.0, 100.0)]);
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn a_million_values_keep_their_ends_and_their_tail_in_a_bounded_number_of_points() {
        let values: Vec<f64> = (1..=1_000_000).map(f64::from).collect();
        let points = of(&values);
        assert!((400..=CURVE_POINTS).contains(&points.len()), "{}", points.len());
        assert_eq!((points[0].0, points[points.len() - 1]), (1.0, (1e6, 100.0)));
        let above_p999 = points.iter().filter(|(_, share)| *share > 99.9).count();
        assert!(above_p999 >= 12, "{above_p999}");
        for (value, share) in points {
            assert!((value / 1e4 - share).abs() < 0.01, "{share} % are at or below {value}");
        }
    }
}
