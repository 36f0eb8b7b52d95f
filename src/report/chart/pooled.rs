//! Distribution functions of several runs, put together.

use crate::schema::curves::CURVE_POINTS;

/// Points of it at most, about.
const MOST_POINTS: usize = 500;

/// The distribution over all values of some runs, with the lowest and the highest of the runs' own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pooled {
    /// By value.
    pub points: Vec<PooledPoint>,
    /// Values.
    pub count: u64,
    /// Runs.
    pub runs: usize,
    /// Every value has its own step.
    is_exact: bool,
}

/// Shares of values at or below one, %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PooledPoint {
    pub value: f64,
    /// Of all runs.
    pub share: f64,
    /// Of the run that has the lowest.
    pub low: f64,
    /// Of the run that has the highest.
    pub high: f64,
}

/// Curves (value, % at or below it), each with the number of values that it is of.
pub fn pooled(parts: &[(&[(f64, f64)], u64)]) -> Pooled {
    let parts: Vec<_> = parts.iter().filter(|(curve, count)| !curve.is_empty() && *count > 0).collect();
    let count: u64 = parts.iter().map(|(_, count)| count).sum();
    let shown = |value: &f64| value.is_finite() && *value >= 0.0;
    let mut values: Vec<f64> =
        parts.iter().flat_map(|(curve, _)| curve.iter().map(|point| point.0)).filter(shown).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let every = values.len().div_ceil(MOST_POINTS).max(1);
    let kept = |index: usize| index == 0 || index + 1 == values.len() || index % every == every - 1;
    let point = |value: f64| {
        let shares = parts.iter().map(|(curve, count)| (share_up_to(curve, value), *count as f64));
        let sum: f64 = shares.clone().map(|(share, weight)| share * weight).sum();
        let (low, high) =
            shares.fold((100.0f64, 0.0f64), |(low, high), (share, _)| (low.min(share), high.max(share)));
        PooledPoint { value, share: sum / count as f64, low, high }
    };
    let points = values.iter().enumerate().filter(|(index, _)| kept(*index)).map(|(_, value)| point(*value));
    let is_exact = parts.iter().all(|(_, count)| *count <= CURVE_POINTS as u64);
    Pooled { points: points.collect(), count, runs: parts.len(), is_exact }
}

fn share_up_to(curve: &[(f64, f64)], value: f64) -> f64 {
    let place = curve.partition_point(|point| point.0 <= value);
    place.checked_sub(1).and_then(|index| curve.get(index)).map_or(0.0, |point| point.1)
}

impl Pooled {
    /// The stair of all values.
    pub fn steps(&self) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (point.value, point.share)).collect()
    }

    /// The stairs of the lowest and the highest run, as a band of steps.
    pub fn band(&self) -> Vec<(f64, f64, f64)> {
        let before = [(0.0, 0.0)].into_iter().chain(self.points.iter().map(|point| (point.low, point.high)));
        let steps = self.points.iter().zip(before);
        steps
            .flat_map(|(point, (low, high))| [(point.value, low, high), (point.value, point.low, point.high)])
            .collect()
    }

    /// The share of all values at or below one, %. Between the points of many values it is a line: they stand for
    /// the values around them.
    pub fn share_up_to(&self, value: f64) -> f64 {
        let place = self.points.partition_point(|point| point.value <= value);
        let Some(below) = place.checked_sub(1).and_then(|index| self.points.get(index)) else { return 0.0 };
        match self.points.get(place).filter(|_| !self.is_exact) {
            Some(above) if above.value > below.value => {
                let part = (value - below.value) / (above.value - below.value);
                below.share + part * (above.share - below.share)
            }
            Some(_) | None => below.share,
        }
    }
}
