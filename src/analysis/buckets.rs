//! A server's histogram over a run: what came between two readings, and its percentiles with what they are sure to.

use crate::schema::served::{Buckets, ServedTime, Within};

const MS: f64 = 1000.0;
/// Sums are added up by the server in floating point: so much of them may be lost, s.
const SUM_ERROR_S: f64 = 1e-6;

/// What came between `earlier` and `later`, at the bounds that both have; none where a count fell: the server was
/// started again in between, and what it had counted is lost.
pub(super) fn difference(later: &Buckets, earlier: &Buckets) -> Option<Buckets> {
    let at = |bound: f64| {
        let found = earlier.up_to.binary_search_by(|(have, _)| have.total_cmp(&bound)).ok()?;
        earlier.up_to.get(found).map(|(_, values)| *values)
    };
    let both = later.up_to.iter().filter_map(|(bound, now)| Some((*bound, now - at(*bound)?)));
    let up_to: Vec<(f64, f64)> = both.collect();
    let count = later.count - earlier.count;
    // A comparison with what is no number is false.
    let rose = count >= 0.0 && up_to.iter().all(|(_, values)| *values >= 0.0);
    let sum_s = later.sum_s.zip(earlier.sum_s).map(|(now, then)| now - then);
    let sum_s = sum_s.filter(|sum| *sum >= -SUM_ERROR_S).map(|sum| sum.max(0.0));
    rose.then_some(Buckets { up_to, count, sum_s })
}

/// The figures of a histogram; none without a value.
pub(super) fn figures(buckets: &Buckets) -> Option<ServedTime> {
    if !(buckets.count >= 1.0 && buckets.count.is_finite()) {
        return None;
    }
    Some(ServedTime {
        count: buckets.count.round() as u64,
        mean_ms: buckets.sum_s.map(|sum| sum / buckets.count * MS),
        p50: quantile(buckets, 0.5),
        p90: quantile(buckets, 0.9),
        p99: quantile(buckets, 0.99),
    })
}

/// The value below which the share `q` (0 to 1) of all values lies, by linear interpolation within its bucket; none
/// without a value or a bound.
///
/// The formula is that of PromQL's `histogram_quantile`:
/// <https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile>.
fn quantile(buckets: &Buckets, q: f64) -> Option<Within> {
    let (highest, _) = buckets.up_to.last()?;
    let rank = q * buckets.count;
    let mut below = 0.0_f64;
    // Times are above 0, and so the first bucket begins there.
    let mut start = 0.0;
    for (end, count) in &buckets.up_to {
        // Two readings may each catch a page as it is written, so that a difference dips.
        let count = count.max(below);
        if count >= rank && count > 0.0 {
            let inside = count - below;
            let share = if inside > 0.0 { ((rank - below) / inside).clamp(0.0, 1.0) } else { 1.0 };
            let low = f64::min(start, *end);
            return Some(Within {
                ms: (low + (end - low) * share) * MS,
                low_ms: low * MS,
                high_ms: Some(end * MS),
            });
        }
        (below, start) = (count, *end);
    }
    Some(Within { ms: highest * MS, low_ms: highest * MS, high_ms: None })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buckets(up_to: &[(f64, f64)], count: f64, sum_s: Option<f64>) -> Buckets {
        Buckets { up_to: up_to.to_vec(), count, sum_s }
    }

    fn at(buckets: &Buckets, q: f64) -> (f64, f64, Option<f64>) {
        let found = quantile(buckets, q).unwrap();
        (found.ms, found.low_ms, found.high_ms)
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket_as_promql_does() {
        let twelve = buckets(&[(1.0, 2.0), (2.0, 6.0), (4.0, 10.0)], 12.0, None);
        // Rank 6 of 12 ends the second bucket; rank 8 is half-way through the third.
        assert_eq!(at(&twelve, 0.5), (2000.0, 1000.0, Some(2000.0)));
        assert_eq!(at(&twelve, 8.0 / 12.0), (3000.0, 2000.0, Some(4000.0)));
        assert_eq!(at(&twelve, 1.0 / 12.0), (500.0, 0.0, Some(1000.0)));
        assert_eq!(at(&twelve, 0.99), (4000.0, 4000.0, None), "above the highest bound nothing is known");
        assert_eq!(quantile(&buckets(&[], 3.0, None), 0.5), None);
        assert_eq!(figures(&buckets(&[(1.0, 0.0)], 0.0, Some(0.0))), None);
        assert_eq!(figures(&buckets(&[(1.0, 0.0)], f64::NAN, None)), None);
    }

    #[test]
    fn a_histogram_of_a_run_is_the_difference_of_two_readings() {
        let before = buckets(&[(1.0, 1.0), (2.0, 2.0), (4.0, 2.0)], 2.0, Some(3.0));
        let after = buckets(&[(1.0, 2.0), (2.0, 6.0), (4.0, 10.0)], 12.0, Some(30.0));
        let run = difference(&after, &before).unwrap();
        assert_eq!(run, buckets(&[(1.0, 1.0), (2.0, 4.0), (4.0, 8.0)], 10.0, Some(27.0)));
        assert_eq!(figures(&run).unwrap().mean_ms, Some(2700.0));
        assert_eq!(difference(&before, &after), None, "a server that was started again");
    }

    #[test]
    fn bounds_that_changed_leave_those_that_both_readings_have() {
        let before = buckets(&[(1.0, 1.0), (3.0, 2.0)], 2.0, Some(3.0));
        let after = buckets(&[(2.0, 6.0), (3.0, 10.0)], 12.0, None);
        let run = difference(&after, &before).unwrap();
        assert_eq!(run, buckets(&[(3.0, 8.0)], 10.0, None));
        let none_shared = difference(&buckets(&[(5.0, 3.0)], 3.0, Some(9.0)), &before).unwrap();
        let figures = figures(&none_shared).unwrap();
        assert_eq!((figures.count, figures.mean_ms, figures.p50), (1, Some(6000.0), None));
    }

    #[test]
    fn a_sum_that_fell_gives_no_mean() {
        let before = buckets(&[(1.0, 1.0)], 1.0, Some(3.0));
        let fell = difference(&buckets(&[(1.0, 2.0)], 2.0, Some(2.0)), &before).unwrap();
        assert_eq!(figures(&fell).unwrap().mean_ms, None);
        let rounded = difference(&buckets(&[(1.0, 2.0)], 2.0, Some(3.0 - 1e-12)), &before).unwrap();
        assert_eq!(figures(&rounded).unwrap().mean_ms, Some(0.0));
    }

    prop_compose! {
        /// Values that a server saw, and the histogram that it shows of them.
        fn seen()(values in proptest::collection::vec(0.0f64..9.0, 0..60)) -> Vec<f64> { values }
    }

    fn shown(values: &[f64], bounds: &[f64]) -> Buckets {
        let up_to = bounds.iter().map(|bound| (*bound, values.iter().filter(|v| *v <= bound).count() as f64));
        Buckets { up_to: up_to.collect(), count: values.len() as f64, sum_s: Some(values.iter().sum()) }
    }

    proptest! {
        #[test]
        fn a_percentile_lies_in_the_bucket_of_the_true_value(before in seen(), run in seen(), wide in 1usize..5) {
            let bounds: Vec<f64> = (1..7).step_by(wide).map(f64::from).collect();
            let all: Vec<f64> = before.iter().chain(&run).copied().collect();
            let between = difference(&shown(&all, &bounds), &shown(&before, &bounds)).unwrap();
            let Some(figures) = figures(&between) else {
                prop_assert!(run.is_empty());
                return Ok(());
            };
            prop_assert_eq!(figures.count, run.len() as u64);
            let mean = run.iter().sum::<f64>() / run.len() as f64 * MS;
            prop_assert!((figures.mean_ms.unwrap() - mean).abs() < 1e-6);
            let mut sorted = run.clone();
            sorted.sort_by(f64::total_cmp);
            let mut last = 0.0;
            for (q, found) in [(0.5, figures.p50), (0.9, figures.p90), (0.99, figures.p99)] {
                let found = found.unwrap();
                let rank = ((q * run.len() as f64).ceil() as usize).clamp(1, run.len());
                let truth = sorted[rank - 1] * MS;
                prop_assert!(found.low_ms <= truth && found.high_ms.is_none_or(|high| truth <= high), "{} {:?}", truth, found);
                prop_assert!(found.low_ms <= found.ms && found.high_ms.is_none_or(|high| found.ms <= high));
                prop_assert!(found.ms >= last);
                last = found.ms;
            }
        }

        #[test]
        fn whatever_two_readings_say_the_figures_are_numbers_within_their_bounds(
            one in anything(), other in anything(),
        ) {
            let Some(figures) = difference(&one, &other).as_ref().and_then(figures) else { return Ok(()) };
            prop_assert!(figures.count >= 1 && figures.mean_ms.is_none_or(|mean| mean >= 0.0));
            for found in [figures.p50, figures.p90, figures.p99].into_iter().flatten() {
                prop_assert!(found.low_ms <= found.ms && found.high_ms.is_none_or(|high| found.ms <= high), "{:?}", found);
            }
        }
    }

    fn anything() -> impl Strategy<Value = Buckets> {
        let count = prop_oneof![Just(f64::NAN), Just(-1.0), (0u32..50).prop_map(f64::from)];
        let up_to = proptest::collection::btree_map(-2i32..6, count.clone(), 0..6);
        (up_to, count, proptest::option::of(-1.0f64..99.0)).prop_map(|(up_to, count, sum_s)| Buckets {
            up_to: up_to.into_iter().map(|(bound, values)| (f64::from(bound), values)).collect(),
            count,
            sum_s,
        })
    }
}
