//! The distribution of a latency: how many values lie where, and the share of them up to each.

use super::context::{ChartInput, Drawn};
use super::pooled::{Pooled, pooled};
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Reference, Series};
use crate::report::number::count;
use crate::schema::figure::{self, Better, Metric};
use crate::schema::summary::MetricValue;

/// The file's stem of TTFT's.
pub const TTFT_NAME: &str = "ttft_distribution";
/// Its title.
pub const TTFT_TITLE: &str = "Time to first token: its distribution";
/// The file's stem of ITL's.
pub const ITL_NAME: &str = "itl_distribution";
/// Its title.
pub const ITL_TITLE: &str = "Inter-token latency: its distribution";
/// Most bins of a histogram, and least.
const BINS: (usize, usize) = (48, 8);
/// Values that lie outside of this share of all, %, do not widen a logarithmic axis.
const EDGE_PCT: f64 = 0.2;

/// TTFT of all completed requests.
pub fn ttft(input: &ChartInput<'_>) -> ChartSpec {
    spec(
        input,
        figure::TTFT,
        (TTFT_NAME, TTFT_TITLE),
        ("request", "share of requests that had their first token by then"),
    )
}

/// ITL of all their tokens.
pub fn itl(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, figure::ITL, (ITL_NAME, ITL_TITLE), ("gap", "share of gaps that were not longer"))
}

fn spec(
    input: &ChartInput<'_>,
    metric: &str,
    (name, title): (&str, &str),
    (noun, words): (&str, &str),
) -> ChartSpec {
    let Some(metric) = figure::metric(metric) else { return ChartSpec::default() };
    let labels = input.labels();
    let all: Vec<(Drawn<'_>, Pooled)> = labels
        .into_iter()
        .map(|drawn| {
            let pooled = of_runs(&drawn, metric);
            (drawn, pooled)
        })
        .collect();
    let x = Axis {
        name: metric.title.to_owned(),
        unit: metric.unit.to_owned(),
        better: Some(metric.better),
        scale: scale(&all),
        ..Axis::default()
    };
    let panels = vec![histogram(&all, &x, noun), shares(&all, x, noun, words)];
    let some_band = all.iter().any(|(_, pooled)| pooled.runs > 1);
    let legend_note = some_band.then(|| "band: from the lowest to the highest run".to_owned());
    ChartSpec { legend_note, ..input.context.spec(name, title, panels) }
}

/// The distribution over all runs of a label, each run's by its number of values.
fn of_runs(drawn: &Drawn<'_>, metric: &Metric) -> Pooled {
    let parts = drawn.runs.iter().filter_map(|run| {
        let curve = run.curves.ecdf.get(metric.name)?;
        let summary = drawn.column.runs.iter().find(|summary| summary.key == *run.key)?;
        match summary.metrics.get(metric.name)? {
            MetricValue::Distribution(distribution) => Some((curve.as_slice(), distribution.count)),
            MetricValue::Scalar(_) => None,
        }
    });
    pooled(&parts.collect::<Vec<_>>())
}

/// Of all values but the few that are far out: one gap of 0 ms would make no logarithm.
fn scale(all: &[(Drawn<'_>, Pooled)]) -> Scale<Series> {
    let shares = || all.iter().flat_map(|(_, pooled)| &pooled.points);
    let positive = shares().filter(|point| point.value > 0.0 && point.share > EDGE_PCT);
    match Scale::fitting(positive.map(|point| point.value)) {
        Scale::Linear { .. } => Scale::fitting(shares().map(|point| point.value)),
        wide @ (Scale::Log { .. } | Scale::Rows { .. }) => wide,
    }
}

fn values_words(pooled: &Pooled, noun: &str) -> String {
    match pooled.count {
        0 => "no data".to_owned(),
        1 => format!("1 {noun}"),
        more => format!("{} {noun}s", count(more)),
    }
}

fn shares(all: &[(Drawn<'_>, Pooled)], x: Axis, noun: &str, words: &str) -> Panel {
    let (mut bands, mut stairs) = (Vec::new(), Vec::new());
    for (drawn, pooled) in all {
        let series = drawn.detailed(&values_words(pooled, noun));
        if pooled.runs > 1 {
            bands.push(Mark::Band { series: series.clone(), points: pooled.band() });
        }
        stairs.push(Mark::Steps { series, points: pooled.steps() });
    }
    bands.extend(stairs);
    let y = Axis {
        name: words.to_owned(),
        unit: "%".to_owned(),
        scale: Scale::linear(100.0),
        references: [50.0, 99.0].map(|at| Reference { at, label: format!("p{at}") }).to_vec(),
        ..Axis::default()
    };
    Panel { x, y, marks: bands }
}

fn histogram(all: &[(Drawn<'_>, Pooled)], x: &Axis, noun: &str) -> Panel {
    let edges = edges(all, &x.scale);
    let (mut marks, mut highest) = (Vec::new(), 0.0f64);
    for (drawn, pooled) in all {
        let share = |value: f64| pooled.share_up_to(value);
        let last = edges.len().saturating_sub(2);
        let bin = |(index, pair): (usize, &[f64])| {
            let below = if index == 0 { 0.0 } else { share(pair[0]) };
            let up_to = if index == last { 100.0 } else { share(pair[1]) };
            (pair[0], pair[1], (up_to - below).max(0.0))
        };
        let bins: Vec<(f64, f64, f64)> = match pooled.count {
            0 => Vec::new(),
            _ => edges.windows(2).enumerate().map(bin).collect(),
        };
        highest = bins.iter().map(|bin| bin.2).fold(highest, f64::max);
        marks.push(Mark::Histogram { series: drawn.detailed(&values_words(pooled, noun)), bins });
    }
    let y = Axis {
        name: format!("share of {noun}s in a bin"),
        unit: "%".to_owned(),
        scale: Scale::linear(highest * 1.08),
        ..Axis::default()
    };
    Panel { x: Axis { better: Some(Better::Lower), ..x.clone() }, y, marks }
}

/// Edges of the bins: of equal width on the axis, about as many as Rice's rule has it (2·n^⅓) for the fewest values.
fn edges(all: &[(Drawn<'_>, Pooled)], scale: &Scale<Series>) -> Vec<f64> {
    let fewest = all.iter().map(|(_, pooled)| pooled.count).filter(|count| *count > 0).min().unwrap_or(0);
    let bins = ((2.0 * (fewest as f64).cbrt()).ceil() as usize).clamp(BINS.1, BINS.0);
    (0..=bins).map(|edge| scale.value(edge as f64 / bins as f64)).collect()
}
