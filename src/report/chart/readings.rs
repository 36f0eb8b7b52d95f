//! Readings of sensors, at whatever times they came → values in even stretches that all runs of a picture share.

use super::evenly::{MOST_POINTS, readable};

/// A hole of up to so many stretches, or so many readings, is bridged.
const BRIDGED: f64 = 3.0;

/// Even stretches around the measured window's start, at 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Of one stretch, s.
    pub width: f64,
    /// Where the axis begins and ends, s.
    pub ends: (f64, f64),
    /// Of the first stretch, counted in widths from 0.
    first: f64,
    stretches: usize,
}

impl Grid {
    /// From `before` seconds before the window's start to `after` seconds behind it, for readings so far apart.
    pub fn new(before: f64, after: f64, interval_s: f64) -> Grid {
        let width = readable(((before + after) / MOST_POINTS).max(interval_s));
        // A stretch of which less than half is there says too little.
        let first = -(before / width + 0.5).floor();
        let stretches = ((after / width + 0.5).floor() - first).clamp(0.0, 10.0 * MOST_POINTS) as usize;
        Grid { width, ends: (-before, after), first, stretches }
    }

    /// The edge of a stretch, s.
    fn edge(&self, number: usize) -> f64 {
        (self.first + number as f64) * self.width
    }

    /// The middle of a stretch, s.
    pub fn middle(&self, number: usize) -> f64 {
        self.edge(number) + self.width / 2.0
    }

    /// Means of what was read in each stretch; of readings `interval_s` apart a hole of a few is bridged. `zero_s` is the
    /// time of the readings that lies at 0.
    pub fn means(&self, readings: &[(f64, f64)], zero_s: f64, interval_s: f64) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0.0); self.stretches];
        for (at, value) in readings.iter().filter(|(at, value)| at.is_finite() && value.is_finite()) {
            let place = ((at - zero_s) / self.width - self.first).floor();
            // `as` saturates: what lies before the first stretch is left out here.
            if let Some(sum) = sums.get_mut(place as usize).filter(|_| place >= 0.0) {
                *sum = (sum.0 + value, sum.1 + 1.0);
            }
        }
        let means = sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count));
        let bridged = BRIDGED.max(BRIDGED * interval_s / self.width) as usize;
        bridge(means.collect(), bridged)
    }

    /// How much a counter rose a second in each stretch; nothing where it fell, as it does when it begins anew.
    pub fn rates(&self, readings: &[(f64, f64)], zero_s: f64) -> Vec<Option<f64>> {
        let rate = |number: usize| {
            let (from, to) =
                (at(readings, self.edge(number) + zero_s)?, at(readings, self.edge(number + 1) + zero_s)?);
            Some((to - from) / self.width).filter(|rate| *rate >= 0.0 && rate.is_finite())
        };
        (0..self.stretches).map(rate).collect()
    }
}

/// A value between two readings; none outside of them.
fn at(readings: &[(f64, f64)], at: f64) -> Option<f64> {
    let place = readings.partition_point(|reading| reading.0 <= at);
    let before = readings.get(place.checked_sub(1)?)?;
    let Some(after) = readings.get(place) else { return (before.0 == at).then_some(before.1) };
    Some(before.1 + (after.1 - before.1) * (at - before.0) / (after.0 - before.0))
}

/// Fills holes of up to so many stretches by a straight line.
fn bridge(mut values: Vec<Option<f64>>, most: usize) -> Vec<Option<f64>> {
    let mut last: Option<(usize, f64)> = None;
    for place in 0..values.len() {
        let Some(value) = values[place] else { continue };
        if let Some((from, before)) = last.filter(|(from, _)| place - from <= most + 1) {
            for (step, hole) in values[from + 1..place].iter_mut().enumerate() {
                let share = (step + 1) as f64 / (place - from) as f64;
                *hole = Some(before + (value - before) * share);
            }
        }
        last = Some((place, value));
    }
    values
}

/// A stretch over several runs or devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Over {
    pub x: f64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// Mean, lowest and highest of the tracks in each stretch that at least half of them have: pieces without a hole.
pub fn over_tracks(grid: &Grid, tracks: &[Vec<Option<f64>>]) -> Vec<Vec<Over>> {
    let mut pieces: Vec<Vec<Over>> = vec![Vec::new()];
    for number in 0..grid.stretches {
        let values: Vec<f64> =
            tracks.iter().filter_map(|track| track.get(number).copied().flatten()).collect();
        if values.is_empty() || values.len() * 2 < tracks.len() {
            pieces.push(Vec::new());
            continue;
        }
        let over = Over {
            x: grid.middle(number).clamp(grid.ends.0, grid.ends.1),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            low: values.iter().copied().fold(f64::INFINITY, f64::min),
            high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(over);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_averaged_over_even_stretches_on_both_sides_of_the_windows_start() {
        let grid = Grid::new(2.0, 3.0, 1.0);
        assert_eq!((grid.width, grid.middle(0)), (1.0, -1.5));
        // The window begins 10 s after the readings' zero.
        let readings =
            [(8.2, 1.0), (8.8, 3.0), (9.5, 5.0), (10.0, 7.0), (12.9, 9.0), (13.0, 99.0), (7.9, 99.0)];
        let means = grid.means(&readings, 10.0, 1.0);
        assert_eq!(means, [Some(2.0), Some(5.0), Some(7.0), Some(8.0), Some(9.0)], "one hole is bridged");
    }

    #[test]
    fn a_long_hole_stays_one_and_cuts_the_line() {
        let grid = Grid::new(0.0, 10.0, 1.0);
        let track = grid.means(&[(0.5, 1.0), (1.5, 1.0), (8.5, 2.0)], 0.0, 1.0);
        assert_eq!(track[2..8], [None; 6]);
        let pieces = over_tracks(&grid, &[track]);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_counter_becomes_a_rate_whatever_the_times_of_its_readings_and_a_reset_is_no_rate() {
        let grid = Grid::new(0.0, 3.0, 1.0);
        let rates = grid.rates(&[(-0.5, 0.0), (1.5, 4.0), (2.5, 6.0), (2.6, 0.0), (9.0, 1.0)], 0.0);
        assert_eq!(rates[..2], [Some(2.0), Some(2.0)]);
        assert_eq!(rates[2], None, "it began anew");
        assert_eq!(grid.rates(&[(0.5, 0.0), (2.5, 2.0)], 0.0), [None, Some(1.0), None]);
    }

    #[test]
    fn of_several_tracks_a_stretch_counts_that_half_of_them_have() {
        let grid = Grid::new(0.0, 2.0, 1.0);
        let pieces =
            over_tracks(&grid, &[vec![Some(1.0), Some(2.0)], vec![Some(3.0), None], vec![Some(8.0), None]]);
        assert_eq!(pieces, [vec![Over { x: 0.5, mean: 4.0, low: 1.0, high: 8.0 }]]);
    }
}
