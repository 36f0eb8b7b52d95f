//! Curves of evenly spaced points: over wider stretches, and over several runs.

/// Points of a line at most; above it, longer stretches are averaged.
pub const MOST_POINTS: f64 = 150.0;
/// However bursty it is, a line of fewer points says too little.
const LEAST_POINTS: f64 = 12.0;

/// Widths that a person reads easily, up to an hour; of seconds.
const WIDTHS: [f64; 21] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0,
    300.0, 600.0, 1_800.0, 3_600.0,
];

/// How wide the stretches of a picture are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// What one point stands for.
    pub width: f64,
    /// Where the longest curve ends.
    pub longest: f64,
}

impl Step {
    /// For these curves, and no narrower than `least`, unless that would leave almost no points.
    pub fn of<'a>(curves: impl Iterator<Item = &'a [(f64, f64)]>, least: f64) -> Step {
        let (mut longest, mut finest) = (0.0f64, 0.0f64);
        for curve in curves {
            longest = longest.max(end(curve));
            finest = finest.max(spacing(curve));
        }
        let wanted = least.min(longest / LEAST_POINTS).max(longest / MOST_POINTS).max(finest);
        Step { width: readable(wanted), longest }
    }
}

/// The least width that a person reads easily and that is no narrower.
pub fn readable(wanted: f64) -> f64 {
    WIDTHS.into_iter().find(|width| *width >= wanted * 0.999_999).unwrap_or(wanted)
}

/// From one point to the next: the first lies in the middle of its stretch, which begins at 0.
fn spacing(curve: &[(f64, f64)]) -> f64 {
    curve.first().map_or(0.0, |first| first.0 * 2.0)
}

fn end(curve: &[(f64, f64)]) -> f64 {
    curve.last().map_or(0.0, |last| last.0) + spacing(curve) / 2.0
}

/// Means over stretches of a width, each at its middle; a last one is left out of which less than half is there.
/// Nothing of points that are no times and values.
pub fn averaged(curve: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    let (spacing, end) = (spacing(curve), end(curve));
    let is_number = |(at, value): &(f64, f64)| (0.0..=end).contains(at) && value.is_finite();
    let stretches = ((end + spacing * 1e-6) / width + 0.5).floor();
    if !curve.iter().all(is_number) || !(1.0..=10.0 * MOST_POINTS).contains(&stretches) {
        return Vec::new();
    }
    let mut sums = vec![(0.0, 0.0); stretches as usize];
    for (at, value) in curve {
        let (from, to) = (at - spacing / 2.0, at + spacing / 2.0);
        // A point that lies across an edge counts on both sides, each with its part.
        for number in (from / width) as usize..=(to / width) as usize {
            let (start, stop) = (number as f64 * width, (number + 1) as f64 * width);
            let inside = (to.min(stop) - from.max(start)).max(0.0);
            if let Some(sum) = sums.get_mut(number) {
                *sum = (sum.0 + value * inside, sum.1 + inside);
            }
        }
    }
    let middle = |number: usize| (number as f64 + 0.5) * width;
    let points = sums.into_iter().enumerate().filter(|(_, (_, covered))| *covered > 0.0);
    points.map(|(number, (sum, covered))| (middle(number), sum / covered)).collect()
}

/// A point over several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverRuns {
    pub x: f64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// The mean, the lowest and the highest of the runs at each place that all of them have.
pub fn mean_over_runs(curves: &[Vec<(f64, f64)>]) -> Vec<OverRuns> {
    let shortest = curves.iter().map(Vec::len).min().unwrap_or(0);
    let over = |index: usize| {
        let values = curves.iter().filter_map(|curve| curve.get(index)).map(|point| point.1);
        OverRuns {
            x: curves.first().and_then(|curve| curve.get(index)).map_or(0.0, |point| point.0),
            mean: values.clone().sum::<f64>() / curves.len() as f64,
            low: values.clone().fold(f64::INFINITY, f64::min),
            high: values.fold(0.0, f64::max),
        }
    };
    (0..shortest).map(over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: usize, spacing: f64) -> Vec<(f64, f64)> {
        (0..points).map(|index| ((index as f64 + 0.5) * spacing, index as f64)).collect()
    }

    #[test]
    fn two_seconds_and_two_hours_are_both_drawn_in_some_dozen_points() {
        for (points, spacing, least, width) in
            [(400, 0.005, 0.0, 0.02), (400, 0.005, 0.3, 0.2), (360, 20.0, 0.3, 60.0), (3_600, 1.0, 0.0, 30.0)]
        {
            let curve = curve(points, spacing);
            assert_eq!(
                Step::of([curve.as_slice()].into_iter(), least).width,
                width,
                "{points} of {spacing} s"
            );
        }
    }

    #[test]
    fn a_stretch_is_the_mean_of_what_lies_in_it_and_half_a_stretch_is_none() {
        assert_eq!(averaged(&curve(6, 1.0), 2.0), [(1.0, 0.5), (3.0, 2.5), (5.0, 4.5)]);
        assert_eq!(averaged(&curve(4, 1.0), 1.5), [(0.75, 1.0 / 3.0), (2.25, 5.0 / 3.0), (3.75, 3.0)]);
        assert_eq!(averaged(&curve(4, 1.0), 3.0), [(1.5, 1.0)]);
        assert_eq!(averaged(&[], 3.0), []);
    }

    #[test]
    fn runs_of_other_lengths_are_taken_as_far_as_all_of_them_go() {
        let over = mean_over_runs(&[vec![(0.5, 1.0), (1.5, 2.0)], vec![(0.5, 3.0)]]);
        assert_eq!(over, [OverRuns { x: 0.5, mean: 2.0, low: 1.0, high: 3.0 }]);
    }
}
