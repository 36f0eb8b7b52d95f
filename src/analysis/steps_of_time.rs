//! A quantity that was read at some times: its integral, mean and extremes over a window, straight lines in between.

use crate::schema::gpu::Spread;

/// What was read, in the order of time: (s, value).
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Course(Vec<(f64, f64)>);

impl Course {
    pub(super) fn new(points: impl Iterator<Item = (f64, f64)>) -> Course {
        let mut points: Vec<(f64, f64)> =
            points.filter(|(at, value)| at.is_finite() && value.is_finite()).collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        Course(points)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It was read once.
    pub(super) fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    /// Median time between two readings, s; 0 of fewer than two.
    pub(super) fn spacing(&self) -> f64 {
        let pauses = self.0.windows(2).map(|pair| pair[1].0 - pair[0].0);
        super::side::median(pauses.collect()).unwrap_or(0.0)
    }

    /// The value at a time; that of the first or the last reading beyond them.
    fn at(&self, time: f64) -> Option<f64> {
        let place = self.0.partition_point(|(at, _)| *at <= time);
        match (place.checked_sub(1).and_then(|place| self.0.get(place)), self.0.get(place)) {
            (Some((from, low)), Some((to, high))) => Some(low + (high - low) * (time - from) / (to - from)),
            (Some((_, value)), None) | (None, Some((_, value))) => Some(*value),
            (None, None) => None,
        }
    }

    /// The readings between two times, and its values at the two.
    fn clipped(&self, from: f64, to: f64) -> Option<Vec<(f64, f64)>> {
        let inner = self.0.iter().copied().filter(|(at, _)| from < *at && *at < to);
        let start = std::iter::once((from, self.at(from)?));
        Some(start.chain(inner).chain([(to, self.at(to)?)]).collect())
    }

    /// By the trapezoid rule; below 0 where `to` comes first. None without a reading.
    pub(super) fn integral(&self, from: f64, to: f64) -> Option<f64> {
        let (early, late) = (from.min(to), from.max(to));
        let points = self.clipped(early, late)?;
        let area: f64 =
            points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum();
        Some(if from <= to { area } else { -area })
    }

    /// It was read from one end to the other, with no pause above `gap`.
    pub(super) fn covers(&self, from: f64, to: f64, gap: f64) -> bool {
        let inner = self.0.iter().map(|(at, _)| *at).filter(|at| (from - gap..=to + gap).contains(at));
        let mut last = from;
        let close = inner.chain([to]).all(|at| {
            let pause = at - last;
            last = last.max(at);
            pause <= gap
        });
        close && self.0.iter().any(|(at, _)| (from - gap..=to + gap).contains(at))
    }

    /// Mean over time, and the extremes of the readings in the window; of one without a reading, as at its ends. A value
    /// is held for no longer than `interval` before the first reading and after the last: of a sensor that ended meanwhile
    /// it is the mean of the part that was read. None where nothing of the window was.
    pub(super) fn spread(&self, from: f64, to: f64, interval: f64) -> Option<Spread> {
        let (first, last) = (self.0.first()?.0, self.0.last()?.0);
        let (from, to) = (from.max(first - interval), to.min(last + interval));
        if from > to {
            return None;
        }
        let within: Vec<f64> =
            self.0.iter().filter(|(at, _)| (from..=to).contains(at)).map(|(_, value)| *value).collect();
        let shown = if within.is_empty() { vec![self.at(from)?, self.at(to)?] } else { within.clone() };
        let low = shown.iter().copied().fold(f64::INFINITY, f64::min);
        let high = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = if to > from { self.integral(from, to)? / (to - from) } else { self.at(from)? };
        // A value that stood still is that value, however its integral is rounded.
        let is_rounded = |mean: f64, bound: f64| (mean - bound).abs() <= 1e-9 * bound.abs();
        let mean = [low, high].into_iter().find(|bound| is_rounded(mean, *bound)).unwrap_or(mean);
        Some(Spread { mean, min: low.min(mean), max: high.max(mean), samples: within.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(points: &[(f64, f64)]) -> Course {
        Course::new(points.iter().copied())
    }

    #[test]
    fn integral_and_mean_follow_straight_lines_and_the_ends_go_on_as_they_are() {
        let ramp = course(&[(0.0, 0.0), (10.0, 100.0)]);
        assert_eq!(ramp.integral(0.0, 10.0), Some(500.0));
        assert_eq!(ramp.integral(2.0, 4.0), Some(60.0));
        assert_eq!(ramp.integral(4.0, 2.0), Some(-60.0));
        assert_eq!(ramp.integral(10.0, 12.0), Some(200.0));
        assert_eq!(course(&[]).integral(0.0, 1.0), None);
        let spread = course(&[(0.0, 1.0), (1.0, 3.0), (2.0, 1.0)]).spread(0.0, 2.0, 0.1).unwrap();
        assert_eq!((spread.mean, spread.min, spread.max, spread.samples), (2.0, 1.0, 3.0, 3));
    }

    #[test]
    fn a_sensor_that_ends_in_the_window_has_the_mean_of_the_part_that_was_read() {
        let ended = course(&[(0.0, 100.0), (1.0, 100.0), (2.0, 400.0)]);
        let spread = ended.spread(0.0, 100.0, 0.5).unwrap();
        // 100 J, 250 J and half a second of 400 W, in 2.5 s.
        assert_eq!((spread.mean, spread.min, spread.max, spread.samples), (220.0, 100.0, 400.0, 3));
        let begun = course(&[(8.0, 10.0), (9.0, 20.0)]).spread(0.0, 9.0, 1.0).unwrap();
        assert_eq!((begun.mean, begun.samples), (12.5, 2));
        assert_eq!(ended.spread(3.0, 4.0, 0.5), None, "it had ended before");
        assert_eq!(ended.spread(2.2, 2.4, 0.5).map(|spread| (spread.mean, spread.samples)), Some((400.0, 0)));
    }

    #[test]
    fn a_pause_in_the_readings_leaves_the_window_uncovered() {
        let even: Vec<(f64, f64)> = (0..=100).map(|at| (f64::from(at) / 10.0, 1.0)).collect();
        let whole = course(&even);
        assert!(whole.covers(0.5, 9.5, 1.0) && whole.covers(-0.5, 10.5, 1.0));
        assert!(!whole.covers(0.0, 11.5, 1.0));
        let holey =
            course(&even.iter().copied().filter(|(at, _)| !(3.0..5.0).contains(at)).collect::<Vec<_>>());
        assert!(!holey.covers(0.0, 10.0, 1.0) && holey.covers(5.0, 10.0, 1.0));
        assert!(!course(&[]).covers(0.0, 0.5, 1.0));
    }
}
