//! Throughput against latency: the curve of each backend over a sweep's loads, and who is beaten by nobody.

use super::context::ChartInput;
use super::curve::{SATURATED_NOTE, saturated};
use super::load_axis::{LoadAxis, curve_label};
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Corner, Mark, Panel, Series};
use crate::report::rows::View;
use crate::schema::comparison::Estimate;
use crate::schema::figure::{self, Better, Metric, Statistic};
use crate::schema::summary::RunSummary;

/// The file's stem of the curves.
pub const CURVES_NAME: &str = "throughput_against_latency";
/// Their title.
pub const CURVES_TITLE: &str = "Latency against output throughput, over the loads";
/// The file's stem of the frontier's.
pub const PARETO_NAME: &str = "pareto";
/// Its title.
pub const PARETO_TITLE: &str = "Throughput and latency: who is beaten by nobody";
const FRONTIER: &str = "Pareto frontier: no other point is better in both";
const PERCENTILES: [Statistic; 3] = [Statistic::P50, Statistic::P90, Statistic::P99];

/// One label's points in the order of the loads.
struct Curve {
    series: Series,
    points: Vec<Point>,
}

/// A group's throughput and latency.
struct Point {
    load: String,
    throughput: Estimate,
    latency: Estimate,
    saturated: bool,
}

impl Point {
    fn at(&self) -> (f64, f64) {
        (self.throughput.value, self.latency.value)
    }
}

/// p50, p90 and p99 of TTFT, and below them of TPOT, or of E2E where no TPOT is known.
pub fn curves(input: &ChartInput<'_>) -> ChartSpec {
    let has_tpot = !gathered(input, figure::TPOT, Statistic::P50).iter().all(|curve| curve.points.is_empty());
    let metrics = [figure::TTFT, if has_tpot { figure::TPOT } else { figure::E2E }];
    let panels: Vec<Panel> = metrics
        .iter()
        .flat_map(|metric| PERCENTILES.map(|statistic| (*metric, statistic)))
        .filter_map(|(metric, statistic)| {
            let curves = gathered(input, metric, statistic);
            Some(panel(figure::metric(metric)?, statistic, &curves, lines(&curves)))
        })
        .collect();
    ChartSpec { legend_note: note(&panels), ..input.context.spec(CURVES_NAME, CURVES_TITLE, panels) }
}

/// Every group as a point, with the frontier through those that no other one beats in both. None with one point.
pub fn pareto(input: &ChartInput<'_>) -> ChartSpec {
    let curves = gathered(input, figure::E2E, Statistic::P50);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let Some(latency) = figure::metric(figure::E2E).filter(|_| points().count() > 1) else {
        return input.context.spec(PARETO_NAME, PARETO_TITLE, Vec::new());
    };
    // A latency that grows with the run is nobody's best.
    let all: Vec<(f64, f64)> = points().filter(|point| !point.saturated).map(Point::at).collect();
    let mut marks = vec![Mark::Frontier {
        name: FRONTIER.to_owned(),
        points: frontier(&all),
        ideal: Corner::ideal(Better::Higher, latency.better),
    }];
    let one_load = input.comparison.loads.len() < 2;
    for Curve { series, points } in &curves {
        marks.push(whiskers(series, points));
        marks.push(Mark::Points {
            series: series.clone(),
            points: points.iter().map(Point::at).collect(),
            hollow: false,
            names: points
                .iter()
                .map(|point| if one_load { series.label.clone() } else { point.load.clone() })
                .collect(),
        });
        marks.extend(hollow(series, points));
    }
    let panels = vec![panel(latency, Statistic::P50, &curves, marks)];
    let legend_note = note(&panels);
    ChartSpec { legend_note, ..input.context.spec(PARETO_NAME, PARETO_TITLE, panels) }
}

/// What every label reached at each load: throughput, and a statistic of a latency.
fn gathered(input: &ChartInput<'_>, metric: &str, statistic: Statistic) -> Vec<Curve> {
    let (Some(throughput), Some(latency)) = (figure::metric(figure::OUTPUT_TPS), figure::metric(metric))
    else {
        return Vec::new();
    };
    let axis = LoadAxis::of(&input.comparison.loads);
    let mut curves: Vec<Curve> = Vec::new();
    for (point, view) in View::all(input.comparison) {
        let load = (point as usize).checked_sub(1).and_then(|index| input.comparison.loads.get(index));
        for column in &view.columns {
            let series = input.context.series(&curve_label(&column.group.label, load), curves.len(), "");
            let place =
                curves.iter().position(|curve| curve.series.label == series.label).unwrap_or_else(|| {
                    curves.push(Curve { series, points: Vec::new() });
                    curves.len() - 1
                });
            let finite = |estimate: &&Estimate| estimate.value.is_finite() && estimate.value >= 0.0;
            let found = column.estimate(throughput, Statistic::Value).filter(finite);
            let found = found.zip(column.estimate(latency, statistic).filter(finite));
            if let (Some((throughput, latency)), Some(curve)) = (found, curves.get_mut(place)) {
                let load = load.map(|load| axis.beside(load)).unwrap_or_default();
                let saturated = input.comparison.runs_of(column.group).any(RunSummary::is_saturated);
                curve.points.push(Point { load, throughput: *throughput, latency: *latency, saturated });
            }
        }
    }
    curves
}

/// A line through each label's loads, with whiskers and the load beside each point.
fn lines(curves: &[Curve]) -> Vec<Mark> {
    let whiskers = curves.iter().map(|curve| whiskers(&curve.series, &curve.points));
    let mut marks: Vec<Mark> = whiskers.collect();
    for Curve { series, points } in curves {
        let places: Vec<(f64, f64)> = points.iter().map(Point::at).collect();
        marks.push(Mark::Line { series: series.clone(), points: places.clone() });
        let names = points.iter().map(|point| point.load.clone()).collect();
        marks.push(Mark::Points { series: series.clone(), points: places, names, hollow: false });
        marks.extend(hollow(series, points));
    }
    marks
}

fn hollow(series: &Series, points: &[Point]) -> Option<Mark> {
    saturated(series.clone(), points.iter().filter(|point| point.saturated).map(Point::at))
}

/// From the lowest to the highest of several runs, both ways.
fn whiskers(series: &Series, points: &[Point]) -> Mark {
    let of_several = points.iter().filter(|point| point.throughput.n > 1 || point.latency.n > 1);
    let cross = of_several.map(|Point { throughput: x, latency: y, .. }| {
        let ((left, right), (low, high)) = (x.reach(), y.reach());
        (x.value, left, right, y.value, low, high)
    });
    Mark::Whiskers { series: series.clone(), points: cross.collect() }
}

fn panel(latency: &Metric, statistic: Statistic, curves: &[Curve], marks: Vec<Mark>) -> Panel {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let title = figure::metric(figure::OUTPUT_TPS).map_or("", |metric| metric.title);
    let x = Axis {
        name: title.to_owned(),
        unit: "tok/s".to_owned(),
        better: Some(Better::Higher),
        scale: roomy(points().flat_map(|point| <[f64; 2]>::from(point.throughput.reach()))),
        ..Axis::default()
    };
    let y = Axis {
        name: format!("{} {}", latency.title, statistic.name()),
        unit: latency.unit.to_owned(),
        better: Some(latency.better),
        scale: roomy(points().flat_map(|point| <[f64; 2]>::from(point.latency.reach()))),
        ..Axis::default()
    };
    Panel { x, y, marks }
}

/// With room behind the last point for its name.
fn roomy(values: impl Iterator<Item = f64>) -> Scale<Series> {
    match Scale::fitting(values) {
        Scale::Linear { min, max, whole } => Scale::Linear { min, max: max * 1.08, whole },
        other @ (Scale::Log { .. } | Scale::Rows { .. }) => other,
    }
}

/// What stands beside the points, and what the whiskers are.
fn note(panels: &[Panel]) -> Option<String> {
    let some = panels.iter().flat_map(|panel| &panel.marks).any(|mark| !mark.whiskers().is_empty());
    let whiskers = some.then_some("whiskers: 95 % interval over rounds (below three: lowest to highest)");
    let is_hollow = |mark: &Mark| matches!(mark, Mark::Points { hollow: true, .. });
    let hollow = panels.iter().flat_map(|panel| &panel.marks).any(is_hollow).then_some(SATURATED_NOTE);
    let notes: Vec<&str> = whiskers.into_iter().chain(hollow).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// The points that no other one beats: as much throughput at less latency, or more at as much. By throughput.
fn frontier(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    // From the most throughput down; of equal ones the lowest latency first.
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.total_cmp(&other.1)));
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in sorted {
        if kept.last().is_none_or(|best| point.1 < best.1) {
            kept.push(point);
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frontier_is_what_no_other_point_beats_in_both() {
        let points = [(10.0, 5.0), (20.0, 4.0), (30.0, 9.0), (30.0, 8.0), (25.0, 8.5), (5.0, 1.0)];
        assert_eq!(frontier(&points), [(5.0, 1.0), (20.0, 4.0), (30.0, 8.0)]);
        assert_eq!(frontier(&[]), []);
    }
}
