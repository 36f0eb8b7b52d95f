//! Samples → the series of one sensor, thinned to what a file or a picture can use.

use std::collections::BTreeMap;

use crate::schema::sample::{Sample, Source};
use crate::schema::series::gpu::GPU_ENERGY_AGE;

/// Points that a series keeps at most: half an hour of seconds.
pub const MOST_POINTS: usize = 2000;
/// Of a GPU's series there are many more: a machine may have eight GPUs of fifteen series each.
const MOST_POINTS_OF_A_GPU: usize = 400;

/// The series of one device of one source by their names, each thinned to [`MOST_POINTS`] (a GPU's to fewer): seconds from the run's start
/// (the middle of each reading) and value.
pub fn series(samples: &[Sample], source: Source, device: Option<u32>) -> BTreeMap<String, Vec<(f64, f64)>> {
    let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| (sample.source, sample.device) == (source, device)) {
        for (name, value) in sample.values.iter().filter(|(name, _)| *name != GPU_ENERGY_AGE) {
            series.entry(name.clone()).or_default().push((sample.middle_s(), *value));
        }
    }
    let most = if source == Source::Gpu { MOST_POINTS_OF_A_GPU } else { MOST_POINTS };
    series.into_iter().map(|(name, points)| (name, thinned(&points, most))).collect()
}

/// At most `most` of the points, chosen so that the curve keeps its looks, peaks included: Largest Triangle
/// Three Buckets (S. Steinarsson, *Downsampling Time Series for Visual Representation*, 2013, §4.2). The
/// first and the last point stay.
fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= most || most < 3 {
        return points.to_vec();
    }
    let inner = &points[1..points.len() - 1];
    let buckets = most - 2;
    let bucket = |number: usize| &inner[number * inner.len() / buckets..(number + 1) * inner.len() / buckets];
    let mut kept = vec![*first];
    let mut from = *first;
    for number in 0..buckets {
        let to = if number + 1 < buckets { mean(bucket(number + 1)) } else { *last };
        let area =
            |at: &(f64, f64)| ((from.0 - to.0) * (at.1 - from.1) - (from.0 - at.0) * (to.1 - from.1)).abs();
        if let Some(chosen) = bucket(number).iter().max_by(|left, right| area(left).total_cmp(&area(right))) {
            kept.push(*chosen);
            from = *chosen;
        }
    }
    kept.push(*last);
    kept
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (sum.0 / count, sum.1 / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_series_is_kept_whole_and_a_long_one_keeps_its_ends_and_its_peaks() {
        let curve = |count: usize| -> Vec<(f64, f64)> {
            (0..count).map(|at| (at as f64, if at == count / 3 { 1000.0 } else { (at % 5) as f64 })).collect()
        };
        assert_eq!(thinned(&curve(50), 50), curve(50));
        assert_eq!(thinned(&[], 50), []);
        let (long, thin) = (curve(10_007), thinned(&curve(10_007), 50));
        assert_eq!(thin.len(), 50);
        assert_eq!((thin.first(), thin.last()), (long.first(), long.last()));
        assert!(thin.contains(&(3335.0, 1000.0)), "{thin:?}");
        assert!(thin.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn a_series_holds_the_middles_of_the_readings_that_show_it() {
        let sample = |at_us, values: &[(&str, f64)]| Sample {
            device: None,
            at_us,
            took_us: 500_000,
            source: Source::Server,
            histograms: BTreeMap::new(),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        };
        let samples = [sample(0, &[("a", 1.0)]), sample(1_000_000, &[("a", 2.0), ("b", 0.5)])];
        let series = series(&samples, Source::Server, None);
        assert_eq!(series["a"], [(0.25, 1.0), (1.25, 2.0)]);
        assert_eq!(series["b"], [(1.25, 0.5)]);
    }
}
