//! What went on while the run went: output tokens a second, requests in flight, requests that waited.

use super::context::{ChartInput, Drawn, DrawnRun};
use super::evenly::{Step, averaged, mean_over_runs};
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel};
use crate::schema::figure::{self, Better};
use crate::schema::series::server::SERVER_WAITING;
use crate::schema::summary::MetricValue;

/// The file's stem of the throughput's.
pub const THROUGHPUT_NAME: &str = "throughput_over_time";
/// Its title.
pub const THROUGHPUT_TITLE: &str = "Output tokens per second over the run";
/// The file's stem of the requests'.
pub const IN_FLIGHT_NAME: &str = "in_flight_over_time";
/// Its title.
pub const IN_FLIGHT_TITLE: &str = "Requests in flight and waiting over the run";
/// A stretch holds the events of so many gaps between them: in a shorter one a batch comes or it does not.
const GAPS: f64 = 10.0;
const SECONDS: &str = "seconds since the run began";

/// Output tokens that arrived in each stretch of every run.
pub fn throughput(input: &ChartInput<'_>) -> ChartSpec {
    let labels = input.labels();
    let longest_gap_s = labels.iter().filter_map(gap_s).fold(0.0, f64::max);
    let least_s = longest_gap_s * GAPS;
    let tokens = |run: &DrawnRun<'_>| run.curves.output_tps.clone();
    let panel = panel(&labels, least_s, &tokens, |detail, highest| Axis {
        name: "output tokens per second".to_owned(),
        unit: "tok/s".to_owned(),
        detail,
        better: Some(Better::Higher),
        scale: Scale::linear(highest * 1.08),
        ..Axis::default()
    });
    let legend_note = band_note(&panel);
    ChartSpec { legend_note, ..input.context.spec(THROUGHPUT_NAME, THROUGHPUT_TITLE, vec![panel]) }
}

/// Requests in flight as the client counts them; requests due and not yet sent, and those that waited at the server,
/// where there were some.
pub fn in_flight(input: &ChartInput<'_>) -> ChartSpec {
    let labels = input.labels();
    let counted = |name: &'static str| {
        move |detail, highest: f64| Axis {
            name: name.to_owned(),
            detail,
            scale: Scale::counting(highest * 1.08),
            ..Axis::default()
        }
    };
    let in_flight = |run: &DrawnRun<'_>| run.curves.in_flight.clone();
    let queued = |run: &DrawnRun<'_>| run.curves.queued.clone();
    let mut panels = vec![panel(&labels, 0.0, &in_flight, counted("requests in flight"))];
    let others = [
        panel(&labels, 0.0, &queued, counted("requests due and not yet sent")),
        panel(&labels, 0.0, &waiting, counted("requests waiting at the server")),
    ];
    panels.extend(others.into_iter().filter(rises));
    let legend_note = panels.iter().find_map(band_note);
    ChartSpec { legend_note, ..input.context.spec(IN_FLIGHT_NAME, IN_FLIGHT_TITLE, panels) }
}

/// Some value of it is above 0.
fn rises(panel: &Panel) -> bool {
    panel.marks.iter().flat_map(Mark::line).any(|(_, y)| *y > 0.0)
}

/// What the server's page said of its queue, from the window's start on; at evenly spaced times.
fn waiting(run: &DrawnRun<'_>) -> Vec<(f64, f64)> {
    let Some(server) = run.server else { return Vec::new() };
    let Some(points) = server.series.get(SERVER_WAITING) else { return Vec::new() };
    let to_s = run.curves.in_flight.last().map_or(0.0, |last| last.0);
    let inside = points.iter().map(|(at, value)| (at - run.curves.from_s, *value));
    let inside: Vec<(f64, f64)> = inside.filter(|(at, _)| (0.0..=to_s).contains(at)).collect();
    held(&inside, to_s)
}

/// Readings at any times → values at even ones: each holds until the next.
fn held(readings: &[(f64, f64)], to_s: f64) -> Vec<(f64, f64)> {
    if readings.len() < 2 || to_s <= 0.0 {
        return Vec::new();
    }
    let step = to_s / readings.len() as f64;
    let value = |at: f64| {
        let place = readings.partition_point(|reading| reading.0 <= at).saturating_sub(1);
        readings.get(place).map_or(0.0, |reading| reading.1)
    };
    (0..readings.len()).map(|index| (index as f64 + 0.5) * step).map(|at| (at, value(at))).collect()
}

/// The typical gap between two events of one answer, seconds; none where answers came in one.
fn gap_s(drawn: &Drawn<'_>) -> Option<f64> {
    let gaps = drawn.column.runs.iter().filter_map(|run| match run.metrics.get(figure::CHUNK_GAP)? {
        MetricValue::Distribution(gaps) => Some(gaps.p50 / 1e3),
        MetricValue::Scalar(_) => None,
    });
    gaps.reduce(f64::max)
}

/// A line for each label: the mean over its runs, each of them averaged over stretches; with a band of several runs.
fn panel(
    labels: &[Drawn<'_>],
    least_s: f64,
    curve: &dyn Fn(&DrawnRun<'_>) -> Vec<(f64, f64)>,
    y: impl Fn(String, f64) -> Axis,
) -> Panel {
    let curves: Vec<Vec<Vec<(f64, f64)>>> = labels
        .iter()
        .map(|drawn| drawn.runs.iter().map(curve).filter(|curve| !curve.is_empty()).collect())
        .collect();
    let step = Step::of(curves.iter().flatten().map(Vec::as_slice), least_s);
    let (mut bands, mut lines, mut highest) = (Vec::new(), Vec::new(), 0.0f64);
    for (drawn, curves) in labels.iter().zip(&curves) {
        let averaged: Vec<Vec<(f64, f64)>> = curves.iter().map(|curve| averaged(curve, step.width)).collect();
        let points = mean_over_runs(&averaged);
        highest = points.iter().map(|point| point.high).fold(highest, f64::max);
        let detail = match (points.is_empty(), curves.len()) {
            (true, _) => "no data".to_owned(),
            (false, 1) => String::new(),
            (false, runs) => format!("mean of {runs} runs"),
        };
        let series = drawn.detailed(&detail);
        if curves.len() > 1 {
            let points = points.iter().map(|point| (point.x, point.low, point.high)).collect();
            bands.push(Mark::Band { series: series.clone(), points });
        }
        lines.push(Mark::Line { series, points: points.iter().map(|point| (point.x, point.mean)).collect() });
    }
    bands.extend(lines);
    let x = Axis { name: SECONDS.to_owned(), scale: Scale::linear(step.longest), ..Axis::default() };
    Panel { x, y: y(format!("mean over {}", seconds_words(step.width)), highest), marks: bands }
}

/// What the bands are, where there are some.
fn band_note(panel: &Panel) -> Option<String> {
    let is_band = |mark: &Mark| matches!(mark, Mark::Band { .. }) && !mark.is_empty();
    panel.marks.iter().any(is_band).then(|| "band: from the lowest to the highest run".to_owned())
}

pub fn seconds_words(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.0} s") }
}
