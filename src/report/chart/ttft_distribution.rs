//! The empirical distribution of TTFT, one stair a run.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Reference};
use crate::report::number::count;
use crate::schema::figure::Better;

/// Its file's stem.
pub const NAME: &str = "ttft_distribution";
/// Its title.
pub const TITLE: &str = "Time to first token: its distribution";
/// Most steps of one stair: more would lie on each other.
const MOST_STEPS: usize = 750;

/// TTFT to the right, the share of requests up to it upwards. Values that are no time are left out; x is
/// logarithmic where the values span more than a factor of 20.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let sorted: Vec<Vec<f64>> = input.ttft_ms.iter().map(|(_, values)| times_sorted(values)).collect();
    let marks = input.ttft_ms.iter().zip(&sorted).enumerate().map(|(index, ((label, _), times))| {
        let series = input.context.series(label, index, &requests(times.len()));
        Mark::Steps { series, points: shares(times) }
    });
    let x = Axis {
        name: "TTFT".to_owned(),
        unit: "ms".to_owned(),
        better: Some(Better::Lower),
        scale: Scale::fitting(sorted.iter().flatten().copied()),
        ..Axis::default()
    };
    let y = Axis {
        name: "share of requests that had their first token by then".to_owned(),
        unit: "%".to_owned(),
        scale: Scale::Linear { max: 100.0 },
        references: [50.0, 99.0].map(|at| Reference { at, label: format!("p{at}") }).to_vec(),
        ..Axis::default()
    };
    ChartSpec {
        name: NAME.to_owned(),
        title: TITLE.to_owned(),
        subtitle: input.context.subtitle.clone(),
        legend_note: None,
        panels: vec![Panel { x, y, marks: marks.collect() }],
        notes: input.context.notes.clone(),
    }
}

fn requests(number: usize) -> String {
    match number {
        0 => "no data".to_owned(),
        1 => "1 request".to_owned(),
        more => format!("{} requests", count(more as u64)),
    }
}

fn times_sorted(values: &[f64]) -> Vec<f64> {
    let mut times: Vec<f64> =
        values.iter().copied().filter(|value| value.is_finite() && *value >= 0.0).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Times with the share of all that are not above them, %; the first and the last are always there.
fn shares(sorted: &[f64]) -> Vec<(f64, f64)> {
    let every = sorted.len().div_ceil(MOST_STEPS).max(1);
    let kept = |index: usize| index == 0 || index + 1 == sorted.len() || index % every == every - 1;
    let share = |index: usize| (index + 1) as f64 / sorted.len() as f64 * 100.0;
    let steps = sorted.iter().enumerate().filter(|(index, _)| kept(*index));
    steps.map(|(index, time)| (*time, share(index))).collect()
}
