//! Comparison bars: one panel a metric, p50 and p99 of each run side by side.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::report::rows::{Column, View};
use crate::schema::comparison::Over;
use crate::schema::figure::{self, Metric, Shape, Statistic};

/// Its file's stem.
pub const NAME: &str = "comparison";
/// Its title.
pub const TITLE: &str = "Latency and throughput by backend";
const SHOWN: [&str; 4] = [figure::TTFT, figure::TPOT, figure::E2E, figure::OUTPUT_TPS];
/// Shown where objectives were set.
const GOODPUT: &str = "goodput_rps";
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
    let mut panels: Vec<Panel> = metrics.map(|metric| panel(&view, metric, &rows)).collect();
    let goodput = figure::metric(GOODPUT).map(|metric| panel(&view, metric, &rows));
    panels.extend(goodput.filter(|panel| !panel.marks.iter().all(Mark::is_empty)));
    ChartSpec { legend_note: legend_note(&view, &panels), ..context.spec(NAME, TITLE, panels) }
}

/// What `best` and the whiskers are, where there are some.
fn legend_note(view: &View<'_>, panels: &[Panel]) -> Option<String> {
    let (mut some_best, mut some_whiskers) = (false, false);
    for mark in panels.iter().flat_map(|panel| &panel.marks) {
        if let Mark::Bars { best, whiskers, .. } = mark {
            some_best |= best.is_some();
            some_whiskers |= whiskers.iter().any(Option::is_some);
        }
    }
    let mut groups = view.columns.iter().map(|column| column.group);
    let mut estimates = view.columns.iter().flat_map(|column| column.group.estimates.values());
    let whiskers = if estimates.any(|estimate| estimate.interval.is_some()) {
        "whiskers: 95 % interval over rounds"
    } else if groups.any(|group| group.over == Over::Rounds) {
        "whiskers: lowest to highest round"
    } else {
        "whiskers: lowest to highest run"
    };
    let notes = [(some_best, "best: the best p50 or throughput"), (some_whiskers, whiskers)];
    let notes: Vec<&str> = notes.into_iter().filter(|(is, _)| *is).map(|(_, note)| note).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
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
    let columns =
        || view.columns.iter().flat_map(|column| metric.statistics().iter().map(move |of| (column, of)));
    let shown =
        |statistic: &Statistic| [Statistic::P50, Statistic::P99, Statistic::Value].contains(statistic);
    let values = columns()
        .filter(|(_, statistic)| shown(statistic))
        .filter_map(|(column, statistic)| column.estimate(metric, *statistic))
        .map(|estimate| estimate.reach().1.max(estimate.value));
    let x = Axis {
        name: metric.title.to_owned(),
        unit: metric.unit.to_owned(),
        better: Some(metric.better),
        scale: Scale::linear(values.fold(0.0, f64::max)),
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
        whiskers: whiskers(view, metric, statistic),
    }
}

/// From the lowest to the highest of several runs; of single ones nothing.
fn whiskers(view: &View<'_>, metric: &Metric, statistic: Statistic) -> Vec<Option<(f64, f64)>> {
    let range = |column: &Column<'_>| {
        let estimate = column.estimate(metric, statistic).filter(|estimate| estimate.n > 1)?;
        Some(estimate.reach())
    };
    let ranges: Vec<Option<(f64, f64)>> = view.columns.iter().map(range).collect();
    if ranges.iter().all(Option::is_none) { Vec::new() } else { ranges }
}
