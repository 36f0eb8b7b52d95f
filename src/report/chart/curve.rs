//! A metric over the load points of a sweep: its median over the rounds, with a band from the lowest to the highest.

use super::context::ChartContext;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::schema::figure::Metric;

/// What is drawn over which load.
#[derive(Debug, Clone)]
pub struct Curves<'a> {
    /// Upwards.
    pub metric: &'static Metric,
    /// The statistic of a distribution (`p99`); none for a metric of one value a run.
    pub statistic: Option<&'a str>,
    /// To the right: `concurrency`, `offered rate`.
    pub load: &'a str,
    /// The load's unit: `requests in flight`, `requests/s`.
    pub load_unit: &'a str,
    /// The load is a number of things: there is no half of one.
    pub counts: bool,
    /// One line each.
    pub curves: Vec<Curve>,
}

/// One label's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// A target's label, without the point.
    pub label: String,
    /// In any order.
    pub points: Vec<CurvePoint>,
}

/// The rounds of one label at one load point, in the units of metric and load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The load.
    pub x: f64,
    /// Of the metric over the rounds.
    pub median: f64,
    /// The lowest round's.
    pub low: f64,
    /// The highest round's.
    pub high: f64,
    /// Runs that these stand for.
    pub rounds: usize,
    /// The queue grew in one of them.
    pub saturated: bool,
}

/// More loads than this get round numbers along their axis.
const MOST_TICKS: usize = 14;

/// Lines with bands; the file is `<metric>[_<statistic>]_by_load`. Points that are not finite are left out; an axis is
/// logarithmic where its values span more than a factor of 20.
pub fn curve_over_points(input: &Curves<'_>, context: &ChartContext) -> ChartSpec {
    let curves: Vec<Vec<CurvePoint>> =
        input.curves.iter().map(|curve| finite_sorted(&curve.points)).collect();
    // All bands below all lines.
    let (mut marks, mut lines) = (Vec::new(), Vec::new());
    for (index, (curve, points)) in input.curves.iter().zip(&curves).enumerate() {
        let series = context.series(&curve.label, index, if points.is_empty() { "no data" } else { "" });
        let middles: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.median)).collect();
        let band = points.iter().map(|point| (point.x, point.low, point.high)).collect();
        marks.push(Mark::Band { series: series.clone(), points: band });
        lines.push(Mark::Line { series: series.clone(), points: middles.clone() });
        lines.push(Mark::Points {
            series: series.clone(),
            points: middles,
            names: Vec::new(),
            hollow: false,
        });
        let over = points.iter().filter(|point| point.saturated).map(|point| (point.x, point.median));
        lines.extend(saturated(series, over));
    }
    marks.extend(lines);
    let points = || curves.iter().flatten();
    let places = || points().map(|point| point.x);
    let x = Axis {
        name: input.load.to_owned(),
        unit: input.load_unit.to_owned(),
        scale: if input.counts { Scale::fitting(places()).of_counts() } else { Scale::fitting(places()) },
        ticks: few_ticks(places()),
        ..Axis::default()
    };
    let statistic = input.statistic.map(|statistic| format!(" {statistic}")).unwrap_or_default();
    let title = format!("{}{statistic}", input.metric.title);
    let y = Axis {
        name: title.clone(),
        unit: input.metric.unit.to_owned(),
        detail: rounds_words(points().map(|point| point.rounds)),
        better: Some(input.metric.better),
        scale: Scale::fitting(points().flat_map(|point| [point.low, point.high])),
        ..Axis::default()
    };
    ChartSpec {
        name: format!("{}{}_by_load", input.metric.name, statistic.replace(' ', "_")),
        title: format!("{title} over the {}", input.load),
        subtitle: context.subtitle.clone(),
        legend_note: points().any(|point| point.saturated).then(|| SATURATED_NOTE.to_owned()),
        panels: vec![Panel { x, y, marks }],
        notes: context.notes.clone(),
        stacked: false,
    }
}

/// What a hollow marker means.
pub const SATURATED_NOTE: &str = "hollow: saturated, so latencies say how long the run was";

/// Hollow markers over the points of saturated runs; none without one.
pub fn saturated(series: Series, points: impl Iterator<Item = (f64, f64)>) -> Option<Mark> {
    let points: Vec<(f64, f64)> = points.collect();
    (!points.is_empty()).then_some(Mark::Points { series, points, names: Vec::new(), hollow: true })
}

/// The loads themselves, where they are few enough to be written.
fn few_ticks(places: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut ticks: Vec<f64> = places.collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    if ticks.len() <= MOST_TICKS { ticks } else { Vec::new() }
}

fn rounds_words(rounds: impl Iterator<Item = usize> + Clone) -> String {
    match (rounds.clone().min(), rounds.max()) {
        (Some(1), Some(1)) => "one round".to_owned(),
        (Some(least), Some(most)) if least == most => {
            format!("median of {most} rounds, band: lowest to highest")
        }
        (Some(least), Some(most)) => {
            format!("median of {least} to {most} rounds, band: lowest to highest")
        }
        (None, _) | (_, None) => String::new(),
    }
}

fn finite_sorted(points: &[CurvePoint]) -> Vec<CurvePoint> {
    let finite =
        |point: &&CurvePoint| [point.x, point.median, point.low, point.high].into_iter().all(f64::is_finite);
    let mut points: Vec<CurvePoint> = points.iter().filter(finite).copied().collect();
    points.sort_by(|one, other| one.x.total_cmp(&other.x));
    points
}
