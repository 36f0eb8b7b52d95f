//! Comparison bars: one panel a metric, p50 and p99 of each run side by side.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::report::rows::value;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Metric, Shape};

/// Its file's stem.
pub const NAME: &str = "comparison";
/// Its title.
pub const TITLE: &str = "Latency and throughput by backend";
const SHOWN: [&str; 4] = [figure::TTFT, figure::TPOT, figure::E2E, figure::OUTPUT_TPS];
const MIDDLE: &str = "p50; throughput: whole run";
const TAIL: &str = "p99 (99 % of requests are below)";

/// Bars with p50 and p99 of TTFT, TPOT and E2E, and the output throughput, for every run.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let ChartInput { comparison, context, .. } = input;
    let rows: Vec<Series> = comparison
        .runs
        .iter()
        .enumerate()
        .map(|(index, run)| context.series(&run.label, index, ""))
        .collect();
    let metrics = SHOWN.iter().filter_map(|name| figure::metric(name));
    let panels: Vec<Panel> = metrics.map(|metric| panel(comparison, metric, &rows)).collect();
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

fn panel(comparison: &Comparison, metric: &Metric, rows: &[Series]) -> Panel {
    let marks = match metric.shape {
        Shape::Distribution => {
            vec![bars(comparison, metric, "p50", MIDDLE, false), bars(comparison, metric, "p99", TAIL, true)]
        }
        Shape::Scalar => vec![bars(comparison, metric, "value", MIDDLE, false)],
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

fn bars(comparison: &Comparison, metric: &Metric, statistic: &str, name: &str, pale: bool) -> Mark {
    let best = comparison.best.get(metric.name).filter(|best| best.statistic == statistic);
    Mark::Bars {
        name: name.to_owned(),
        pale,
        values: comparison.runs.iter().map(|run| value(run, metric.name, statistic)).collect(),
        best: best.and_then(|best| comparison.runs.iter().position(|run| run.label == best.label)),
    }
}
