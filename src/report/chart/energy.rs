//! Energy an output token, a bar a backend.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::report::rows::{Column, View};
use crate::schema::figure::Better;

/// Its file's stem.
pub const NAME: &str = "energy_per_token";
const TITLE: &str = "Energy per output token by backend";

/// Energy of the GPUs over the measured window, divided by the output tokens that arrived in it: of several runs the mean.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let ChartInput { comparison, context, .. } = input;
    let view = View::of(comparison, 1);
    let rows = view.columns.iter().enumerate();
    let rows: Vec<Series> =
        rows.map(|(place, column)| context.series(&column.group.label, place, "")).collect();
    let values: Vec<Option<Energy>> = view.columns.iter().map(energy).collect();
    let best = values.iter().flatten().map(|energy| energy.mean).reduce(f64::min);
    let is_best = |energy: &Option<Energy>| energy.map(|energy| energy.mean) == best;
    let some = values.iter().flatten().count();
    let highest = values.iter().flatten().map(|energy| energy.high).fold(0.0, f64::max);
    let has_whiskers = values.iter().flatten().any(|energy| energy.runs > 1);
    let whisker = |energy: &Option<Energy>| {
        energy.filter(|energy| energy.runs > 1).map(|energy| (energy.low, energy.high))
    };
    let bars = Mark::Bars {
        name: "mean over runs".to_owned(),
        pale: false,
        values: values.iter().map(|energy| energy.map(|energy| energy.mean)).collect(),
        best: if some > 1 { values.iter().position(is_best) } else { None },
        whiskers: if has_whiskers { values.iter().map(whisker).collect() } else { Vec::new() },
    };
    let x = Axis {
        name: "energy of the GPUs per output token".to_owned(),
        unit: "J".to_owned(),
        better: Some(Better::Lower),
        scale: Scale::linear(highest),
        ..Axis::default()
    };
    let y = Axis { scale: Scale::Rows { rows }, ..Axis::default() };
    let legend_note = has_whiskers.then(|| "whiskers: lowest to highest run".to_owned());
    ChartSpec { legend_note, ..context.spec(NAME, TITLE, vec![Panel { x, y, marks: vec![bars] }]) }
}

/// Over the runs of a label, J.
#[derive(Debug, Clone, Copy)]
struct Energy {
    mean: f64,
    low: f64,
    high: f64,
    runs: usize,
}

fn energy(column: &Column<'_>) -> Option<Energy> {
    let of_runs = column.runs.iter().filter_map(|run| run.gpu.as_ref()?.energy_per_token_j);
    let values: Vec<f64> = of_runs.filter(|value| value.is_finite()).collect();
    (!values.is_empty()).then(|| Energy {
        mean: values.iter().sum::<f64>() / values.len() as f64,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(0.0, f64::max),
        runs: values.len(),
    })
}
