//! Comparison bars: one panel a metric, p50 and p99 of each run side by side.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::report::rows::{Column, View};
use crate::schema::figure::{self, Metric, Shape, Statistic};

/// Its file's stem.
pub const NAME: &str = "comparison";
/// Its title.
pub const TITLE: &str = "Latency and throughput by backend";
const SHOWN: [&str; 4] = [figure::TTFT, figure::TPOT, figure::E2E, figure::OUTPUT_TPS];
const MIDDLE: &str = "p50; throughput: whole run";
const TAIL: &str = "p99 (99 % of requests are below)";

/// Bars with p50 and p99 of TTFT, TPOT and E2E, and the output throughput, for every backend: of several runs
/// the median over them.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let ChartInput { comparison, context, .. } = input;
    let view = View::of(comparison, 1);
    let rows: Vec<Series> = view
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| context.series(&column.group.label, index, ""))
        .collect();
    let metrics = SHOWN.iter().filter_map(|name| figure::metric(name));
    let panels: Vec<Panel> = metrics.map(|metric| panel(&view, metric, &rows)).collect();
    let some_best = panels
        .iter()
        .flat_map(|panel| &panel.marks)
        .any(|mark| matches!(mark, Mark::Bars { best: Some(_), .. }));
    ChartSpec {
        name: NAME.to_owned(),
        title: TITLE.to_owned(),
        subtitle: context.subtitle.clone(),
        legend_note: some_best.then(|| "best: the best p50 or throughput".to_owned()),
        panels,
        notes: context.notes.clone(),
    }
}

fn panel(view: &View<'_>, metric: &Metric, rows: &[Series]) -> Panel {
    let marks = match metric.shape() {
        Shape::Distribution => {
            vec![
                bars(view, metric, Statistic::P50, MIDDLE, false),
                bars(view, metric, Statistic::P99, TAIL, true),
            ]
        }
        Shape::Scalar => vec![bars(view, metric, Statistic::Value, MIDDLE, false)],
    };
    let values = marks.iter().flat_map(|mark| match mark {
        Mark::Bars { values, .. } => values.as_slice(),
        Mark::Line { .. } | Mark::Steps { .. } | Mark::Points { .. } | Mark::Band { .. } => &[],
    });
    let x = Axis {
        name: metric.title.to_owned(),
        unit: metric.unit.to_owned(),
        better: Some(metric.better),
        scale: Scale::linear(values.flatten().copied().fold(0.0, f64::max)),
        ..Axis::default()
    };
    let y = Axis { scale: Scale::Rows { rows: rows.to_vec() }, ..Axis::default() };
    Panel { x, y, marks }
}

fn bars(view: &View<'_>, metric: &Metric, statistic: Statistic, name: &str, pale: bool) -> Mark {
    let value = |column: &Column<'_>| column.estimate(metric, statistic).map(|estimate| estimate.value);
    let is_best = |column: &Column<'_>| column.group.best.get(metric.name) == Some(&statistic);
    Mark::Bars {
        name: name.to_owned(),
        pale,
        values: view.columns.iter().map(value).collect(),
        best: view.columns.iter().position(is_best),
    }
}
