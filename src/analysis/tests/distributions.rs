//! Percentiles and moments against numpy, and the histogram against the exact values.

use proptest::prelude::*;

use super::*;
use crate::analysis::Samples;
use crate::analysis::timeline::{Inside, Timeline};

fn of(values: &[f64]) -> Distribution {
    let mut samples = Samples::default();
    values.iter().for_each(|value| samples.add(*value));
    samples.distribution().unwrap()
}

#[test]
fn ten_values_as_numpy_has_them() {
    let found = of(&[12.5, 3.25, 99.0, 7.75, 42.0, 42.0, 0.5, 18.125, 64.0, 5.0]);
    close(found.mean, 29.4125);
    close(found.std, 32.23988051828563);
    close(found.p50, 15.3125);
    close(found.p75, 42.0);
    close(found.p90, 67.5);
    close(found.p95, 83.25);
    close(found.p99, 95.85);
    assert_eq!((found.count, found.min, found.max, found.p999), (10, 0.5, 99.0, None));
    close(found.relative_error, 0.0);
}

#[test]
fn fifteen_hundred_values_as_numpy_has_them() {
    let mut x: u64 = 12345;
    let values: Vec<f64> = (0..1500)
        .map(|_| {
            x = (x * 1103515245 + 12345) % (1 << 31);
            (x % 1_000_000) as f64 / 1000.0
        })
        .collect();
    let found = of(&values);
    close(found.mean, 511.7616013333333);
    close(found.std, 286.92549115717526);
    close(found.p50, 512.6315);
    close(found.p75, 759.581);
    close(found.p90, 911.6736);
    close(found.p95, 951.9384);
    close(found.p99, 988.41614);
    close(found.p999.unwrap(), 997.6050230000003);
    assert_eq!((found.min, found.max), (2.428, 998.552));
}

#[test]
fn a_large_offset_does_not_eat_the_standard_deviation() {
    let offset = 1e9;
    let mut exact = Samples::default();
    let mut histogram = Samples::exact_up_to(0);
    for value in [offset + 4.0, offset + 7.0, offset + 13.0, offset + 16.0] {
        exact.add(value);
        histogram.add(value);
    }
    // The textbook's example for naive sums of squares: variance 30.
    close(exact.distribution().unwrap().std, 30f64.sqrt());
    close(histogram.distribution().unwrap().std, 30f64.sqrt());
}

#[test]
fn one_value_is_every_percentile_and_does_not_deviate() {
    let found = of(&[7.5]);
    assert_eq!((found.p50, found.p99, found.mean, found.std), (7.5, 7.5, 7.5, 0.0));
}

#[test]
fn p999_needs_a_thousand_values() {
    assert_eq!(of(&vec![1.0; 999]).p999, None);
    assert_eq!(of(&vec![1.0; 1000]).p999, Some(1.0));
}

#[test]
fn the_histogram_takes_over_behind_the_limit_and_says_so() {
    let mut samples = Samples::exact_up_to(5);
    samples.add_times(10.0, 5);
    let mut more = Samples::exact_up_to(5);
    more.add_times(10.0, 6);
    assert_eq!(samples.distribution().unwrap().relative_error, 0.0);
    let found = more.distribution().unwrap();
    assert!(found.relative_error > 0.0 && found.relative_error <= 0.001);
    assert_eq!(found.count, 6);
}

#[test]
fn values_above_a_bound_are_counted_exactly_and_by_the_histogram_to_a_thousandth() {
    for limit in [usize::MAX, 0] {
        let mut samples = Samples::exact_up_to(limit);
        (1..=2_000).for_each(|value| samples.add(f64::from(value) / 100.0));
        let above = samples.above(10.0);
        // The bucket of the bound is 10 µs wide, and so is the step of the values.
        assert!(if limit == 0 { (999..=1_000).contains(&above) } else { above == 1_000 }, "{above}");
        assert_eq!((samples.above(0.0), samples.above(20.5)), (2_000, 0));
    }
    assert_eq!(Samples::default().above(1.0), 0);
}

#[test]
fn an_absurd_token_count_costs_no_memory() {
    let mut samples = Samples::default();
    samples.add_times(1.0, u64::from(u32::MAX));
    assert_eq!(samples.distribution().unwrap().count, u64::from(u32::MAX));
}

#[test]
fn a_long_timeline_widens_its_bins_and_loses_nothing() {
    let mut timeline = Timeline::with_most_bins(100);
    for second in 0..50 {
        timeline.add(second * 1_000_000 + 500_000, 2);
    }
    assert_eq!(timeline.by_second(0, 50_000_000), vec![2; 50]);
    // 1 s bins by now: edges move inwards to whole ones.
    let inside = timeline.inside(9_500_000, 20_900_000);
    assert_eq!(inside, Inside { from_us: 10_000_000, to_us: 20_000_000, count: 20 });
}

proptest! {
    #[test]
    fn the_histogram_is_within_a_thousandth_of_the_exact_values(
        values in proptest::collection::vec((1u64..100_000_000, 1u32..40), 1..400)
    ) {
        let mut exact = Samples::default();
        let mut histogram = Samples::exact_up_to(0);
        for (us, tokens) in values {
            let value_ms = us as f64 / 1000.0 / f64::from(tokens);
            exact.add_times(value_ms, u64::from(tokens));
            histogram.add_times(value_ms, u64::from(tokens));
        }
        let (exact, histogram) = (exact.distribution().unwrap(), histogram.distribution().unwrap());
        prop_assert_eq!(exact.count, histogram.count);
        let pairs = [
            (exact.mean, histogram.mean), (exact.min, histogram.min), (exact.p50, histogram.p50),
            (exact.p75, histogram.p75), (exact.p90, histogram.p90), (exact.p95, histogram.p95),
            (exact.p99, histogram.p99), (exact.max, histogram.max),
            (exact.p999.unwrap_or(0.0), histogram.p999.unwrap_or(0.0)),
        ];
        for (exact, histogram) in pairs {
            prop_assert!((exact - histogram).abs() <= 0.001 * exact, "{} and {}", exact, histogram);
        }
        prop_assert!((exact.std - histogram.std).abs() <= 1e-6 * exact.std.max(exact.mean));
    }
}
