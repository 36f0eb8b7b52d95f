//! The curves of a sweep: a figure over its loads, one line a backend.

use super::context::ChartInput;
use super::curve::{Curve, CurvePoint, Curves, curve_over_points};
use super::scale::tick_text;
use super::spec::ChartSpec;
use crate::report::rows::View;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Metric, Statistic};
use crate::schema::plan::LoadPoint;
use crate::schema::summary::RunSummary;

/// Output tokens a second over the loads.
pub fn output_tps(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, figure::OUTPUT_TPS, Statistic::Value)
}

/// TTFT p99 over the loads.
pub fn ttft_p99(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, figure::TTFT, Statistic::P99)
}

/// TPOT p50 over the loads.
pub fn tpot_p50(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, figure::TPOT, Statistic::P50)
}

/// Requests a second that met all objectives, over the loads.
pub fn goodput(input: &ChartInput<'_>) -> ChartSpec {
    spec(input, "goodput_rps", Statistic::Value)
}

fn spec(input: &ChartInput<'_>, name: &str, statistic: Statistic) -> ChartSpec {
    let Some(metric) = figure::metric(name) else { return ChartSpec::default() };
    let loads = &input.comparison.loads;
    let open = loads.iter().any(|load| load.traffic.is_open());
    let (load, load_unit) =
        if open { ("offered rate", "requests/s") } else { ("concurrency", "requests in flight") };
    let curves = Curves {
        counts: !open,
        metric,
        statistic: (statistic != Statistic::Value).then(|| statistic.name()),
        load,
        load_unit,
        curves: curves(input.comparison, metric, statistic),
    };
    let mut spec = curve_over_points(&curves, input.context);
    if loads.iter().any(|load| place(load).is_none()) {
        spec.notes.push("all requests at once is no rate, and is not drawn".to_owned());
    }
    spec
}

fn curves(comparison: &Comparison, metric: &Metric, statistic: Statistic) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for (point, view) in View::all(comparison) {
        let load = (point as usize).checked_sub(1).and_then(|index| comparison.loads.get(index));
        let Some(x) = load.and_then(place) else { continue };
        for column in &view.columns {
            let Some(estimate) = column.estimate(metric, statistic) else { continue };
            let label = &column.group.label;
            let drawn = CurvePoint {
                x,
                median: estimate.value,
                low: estimate.low,
                high: estimate.high,
                rounds: estimate.n as usize,
                saturated: comparison.runs_of(column.group).any(RunSummary::is_saturated),
            };
            match curves.iter_mut().find(|curve| curve.label == *label) {
                Some(curve) => curve.points.push(drawn),
                None => curves.push(Curve { label: label.clone(), points: vec![drawn] }),
            }
        }
    }
    curves
}

/// `8`, `2.5/s`: a load beside its point; empty where all requests are due at once.
pub fn load_words(load: &LoadPoint) -> String {
    match place(load) {
        Some(rate) if load.traffic.is_open() => format!("{}/s", tick_text(rate)),
        Some(slots) => tick_text(slots),
        None => String::new(),
    }
}

/// Where a load lies on the axis; none for an open loop without a rate.
fn place(load: &LoadPoint) -> Option<f64> {
    if load.traffic.is_open() { load.rate() } else { load.concurrency().map(f64::from) }
}
