//! From values to places along an axis, and the round values beside it.

use serde::{Deserialize, Serialize};

use crate::report::number::compact;

/// What lies along an axis: numbers, or rows of `Row`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scale<Row> {
    /// Equal steps from `min`, which is 0 where nothing lies below it, up to `max`.
    Linear {
        /// 0 or below.
        #[serde(default, skip_serializing_if = "is_zero")]
        min: f64,
        /// Above 0.
        max: f64,
        /// It counts things: half a one means nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        whole: bool,
    },
    /// Equal ratios between the two.
    Log {
        /// Above 0.
        min: f64,
        /// Above `min`.
        max: f64,
    },
    /// One place each, from the top.
    Rows {
        /// What stands at each place.
        rows: Vec<Row>,
    },
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl<Row> Default for Scale<Row> {
    fn default() -> Self {
        Scale::Linear { min: 0.0, max: 1.0, whole: false }
    }
}

impl<Row> Scale<Row> {
    /// From 0 to the largest value; to 1 where nothing is above 0.
    pub fn linear(largest: f64) -> Self {
        Scale::Linear { min: 0.0, max: if largest > 0.0 { largest.min(f64::MAX) } else { 1.0 }, whole: false }
    }

    /// The same from a value below 0.
    pub fn down_to(self, least: f64) -> Self {
        match self {
            Scale::Linear { max, whole, .. } => Scale::Linear { min: least.min(0.0), max, whole },
            Scale::Log { .. } | Scale::Rows { .. } => self,
        }
    }

    /// The same of things that are counted.
    pub fn counting(largest: f64) -> Self {
        Scale::linear(largest.max(1.0)).of_counts()
    }

    /// The scale, if it counts things: no tick between two numbers of them.
    pub fn of_counts(self) -> Self {
        match self {
            Scale::Linear { min, max, .. } => Scale::Linear { min, max, whole: true },
            Scale::Log { .. } | Scale::Rows { .. } => self,
        }
    }

    /// Logarithmic where the values lie above 0 and span more than a factor of 20, else linear. Empty: linear.
    pub fn fitting(values: impl IntoIterator<Item = f64>) -> Self {
        let (smallest, largest) = values
            .into_iter()
            .fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        if smallest > 0.0 && largest / smallest > 20.0 {
            Scale::Log { min: smallest / 1.15, max: (largest * 1.15).min(f64::MAX) }
        } else {
            Scale::linear(largest * 1.05)
        }
    }

    /// Where a value lies, 0 to 1; for a row, the middle of its place.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self {
            Scale::Linear { min, max, .. } => (value - min) / (max - min),
            Scale::Log { min, max } => (value.max(*min) / min).ln() / (max / min).ln(),
            Scale::Rows { rows } => (value + 0.5) / rows.len() as f64,
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The value that lies at a share, 0 to 1; of rows the number of the row.
    pub fn value(&self, share: f64) -> f64 {
        match self {
            Scale::Linear { min, max, .. } => min + share * (max - min),
            Scale::Log { min, max } => min * (max / min).powf(share),
            Scale::Rows { rows } => share * rows.len() as f64 - 0.5,
        }
    }

    /// Round values along the scale, about `wanted` of them; none for rows.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        match self {
            Scale::Linear { min, max, whole } => linear_ticks((*min, *max), wanted, *whole),
            Scale::Log { min, max } => log_ticks(*min, *max, wanted),
            Scale::Rows { .. } => Vec::new(),
        }
    }
}

fn linear_ticks((min, max): (f64, f64), wanted: usize, whole: bool) -> Vec<f64> {
    let least = if whole { 1.0 } else { 0.0 };
    let rough = ((max - min) / wanted.max(1) as f64).max(least);
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|step| *step >= rough && !(whole && step.fract() != 0.0));
    let Some(step) = step.filter(|step| step.is_normal()) else { return vec![0.0] };
    let first = (min / step).ceil();
    let ticks = (0..=wanted + 1).map(|index| (first + index as f64) * step + 0.0);
    ticks.filter(|tick| *tick <= max * 1.000_001).collect()
}

fn log_ticks(min: f64, max: f64, wanted: usize) -> Vec<f64> {
    let within = |factors: &[f64]| -> Vec<f64> {
        let decades = (min.log10().floor() as i32).max(-307)..=(max.log10().ceil() as i32).min(308);
        decades
            .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
            .filter(|tick| (min..=max).contains(tick))
            .collect()
    };
    let fine = within(&[1.0, 2.0, 5.0]);
    if fine.len() <= wanted + 3 {
        return fine;
    }
    let coarse = within(&[1.0]);
    let every = coarse.len().div_ceil(wanted + 3).max(1);
    coarse.into_iter().step_by(every).collect()
}

/// A tick's number without needless digits: `0`, `2.5`, `1,000`, `20k`, `2M`.
pub fn tick_text(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 1e15 || (size > 0.0 && size < 1e-4) => return format!("{value:.0e}"),
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    if scaled.abs() >= 1e3 {
        return compact(scaled) + suffix;
    }
    let text = format!("{scaled:.5}");
    format!("{}{suffix}", text.trim_end_matches('0').trim_end_matches('.'))
}
