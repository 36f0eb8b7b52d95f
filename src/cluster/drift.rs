//! A worker's clock over time: its offset is followed by a line through the last minute.

use std::collections::VecDeque;

use super::clock::Measured;

/// Offsets older than this say nothing of how fast the clocks run apart now, ns.
const MINUTE_NS: i64 = 60_000_000_000;
/// Offsets must lie so far apart for a slope, ns: between neighbours it would be the noise of the network.
const LEAST_SPAN_NS: i64 = 8_000_000_000;

/// What is known of a worker's clock.
#[derive(Debug, Clone, Default)]
pub struct Drift {
    /// Those of the last minute, oldest first.
    points: VecDeque<Measured>,
}

/// An offset, and how it fits those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Followed {
    /// The offset by the line, its bound widened by what the line and the measured one differ.
    pub believed: Measured,
    /// How far the measured one lies from the line through those before it, beyond what their bounds explain, ns.
    pub step_ns: i64,
}

impl Drift {
    /// Takes a new offset.
    pub fn add(&mut self, measured: Measured) -> Followed {
        let step_ns = self.step_ns(&measured);
        self.points.push_back(measured);
        while self.points.front().is_some_and(|first| measured.at_ns - first.at_ns > MINUTE_NS) {
            self.points.pop_front();
        }
        let offset_ns = self.offset_ns(measured.at_ns);
        let bound_ns = measured.bound_ns + (offset_ns - measured.offset_ns).abs();
        Followed { believed: Measured { offset_ns, bound_ns, ..measured }, step_ns }
    }

    fn step_ns(&self, measured: &Measured) -> i64 {
        let Some(widest) = self.points.iter().map(|point| point.bound_ns).max() else { return 0 };
        let off = (measured.offset_ns - self.offset_ns(measured.at_ns)).abs();
        (off - measured.bound_ns - widest).max(0)
    }

    /// The offset at a time by the line, weighted by how exact each point is; the most exact point where they lie too
    /// near each other for a line.
    fn offset_ns(&self, at_ns: i64) -> i64 {
        let (Some(first), Some(last)) = (self.points.front(), self.points.back()) else { return 0 };
        let best = self.points.iter().min_by_key(|point| point.bound_ns).unwrap_or(last);
        if last.at_ns - first.at_ns < LEAST_SPAN_NS {
            return best.offset_ns;
        }
        // About the first point: days in ns have no room in a float, a minute has.
        let about = |point: &Measured| {
            let weight = 1.0 / (point.bound_ns.max(1) as f64).powi(2);
            let (x, y) = (point.at_ns - first.at_ns, point.offset_ns - first.offset_ns);
            (weight, x as f64, y as f64)
        };
        let sum = |of: fn((f64, f64, f64)) -> f64| self.points.iter().map(about).map(of).sum::<f64>();
        let all = sum(|(weight, _, _)| weight);
        let (mean_x, mean_y) =
            (sum(|(weight, x, _)| weight * x) / all, sum(|(weight, _, y)| weight * y) / all);
        let (mut along, mut spread) = (0.0, 0.0);
        for (weight, x, y) in self.points.iter().map(about) {
            along += weight * (x - mean_x) * (y - mean_y);
            spread += weight * (x - mean_x) * (x - mean_x);
        }
        let slope = if spread > 0.0 { along / spread } else { 0.0 };
        first.offset_ns + (mean_y + slope * ((at_ns - first.at_ns) as f64 - mean_x)).round() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_NS: i64 = 1_000_000_000;

    fn point(at_s: i64, offset_ns: i64) -> Measured {
        Measured { at_ns: at_s * SECOND_NS, offset_ns, bound_ns: 20_000 }
    }

    #[test]
    fn a_clock_that_runs_evenly_faster_makes_no_step() {
        let mut drift = Drift::default();
        // 50 ppm, the difference of two poor quartzes.
        let steps: Vec<i64> =
            (0..30).map(|k| drift.add(point(k * 10, 7_000_000 + k * 500_000)).step_ns).collect();
        assert!(steps[2..].iter().all(|step| *step == 0), "{steps:?}");
        assert_eq!(drift.points.len(), 7, "a minute");
    }

    #[test]
    fn a_clock_that_jumps_is_caught_at_its_first_ping() {
        let mut drift = Drift::default();
        (0..6).for_each(|k| {
            drift.add(point(k * 10, 100_000));
        });
        let jumped = drift.add(point(60, 100_000 + 11_000_000));
        assert_eq!(jumped.step_ns, 11_000_000 - 40_000, "beyond both bounds");
        let believed = jumped.believed;
        assert!(believed.bound_ns >= (believed.offset_ns - 11_100_000).abs(), "{believed:?}");
    }

    #[test]
    fn noise_of_neighbours_is_not_carried_ahead_as_a_slope() {
        let mut drift = Drift::default();
        drift.add(point(0, 0));
        drift.add(Measured { at_ns: 100_000_000, offset_ns: 15_000, bound_ns: 30_000 });
        // 15 µs in 0.1 s would be 1.5 ms in ten seconds.
        assert_eq!(drift.add(point(10, 10_000)).step_ns, 0);
    }

    proptest! {
        /// Clocks days apart that run apart evenly, with noise within its bound: the line is right within its own.
        #[test]
        fn a_line_is_right_within_its_bound(
            apart in -400_000_000_000_000i64..400_000_000_000_000, ppm in -100i64..100,
            noise in proptest::collection::vec(-20_000i64..20_000, 3..40),
        ) {
            let mut drift = Drift::default();
            for (k, noise) in noise.iter().enumerate() {
                let at_s = k as i64 * 10;
                let truth = apart + at_s * ppm * 1_000;
                let followed = drift.add(point(at_s, truth + noise));
                let off = (followed.believed.offset_ns - truth).abs();
                prop_assert!(off <= followed.believed.bound_ns, "{followed:?} off by {off}");
                if k > 1 {
                    prop_assert!(followed.step_ns < 100_000, "{followed:?}");
                }
            }
        }
    }
}
