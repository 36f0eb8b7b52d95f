//! The curves of a sweep: a figure over its loads, one line a backend.

use super::context::ChartInput;
use super::curve::{Curve, CurvePoint, Curves, curve_over_points};
use super::load_axis::{LoadAxis, curve_label};
use super::spec::ChartSpec;
use crate::report::rows::View;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Metric, Statistic};
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
    let axis = LoadAxis::of(loads);
    let (load, load_unit) = axis.words();
    let curves = Curves {
        counts: axis.counts(),
        metric,
        statistic: (statistic != Statistic::Value).then(|| statistic.name()),
        load,
        load_unit,
        curves: curves(input.comparison, axis, metric, statistic),
    };
    let mut spec = curve_over_points(&curves, input.context);
    if loads.iter().any(|load| axis.place(load).is_none()) {
        let closed = loads.iter().any(|load| !load.traffic.is_open());
        let what = if closed { "a load without a rate" } else { "all requests at once is no rate, and" };
        spec.notes.push(format!("{what} is not drawn"));
    }
    spec
}

fn curves(comparison: &Comparison, axis: LoadAxis, metric: &Metric, statistic: Statistic) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for (point, view) in View::all(comparison) {
        let load = (point as usize).checked_sub(1).and_then(|index| comparison.loads.get(index));
        let Some(x) = load.and_then(|load| axis.place(load)) else { continue };
        for column in &view.columns {
            let Some(estimate) = column.estimate(metric, statistic) else { continue };
            let label = curve_label(&column.group.label, load);
            let drawn = CurvePoint {
                x,
                median: estimate.value,
                low: estimate.low,
                high: estimate.high,
                rounds: estimate.n as usize,
                saturated: comparison.runs_of(column.group).any(RunSummary::is_saturated),
            };
            match curves.iter_mut().find(|curve| curve.label == label) {
                Some(curve) => curve.points.push(drawn),
                None => curves.push(Curve { label, points: vec![drawn] }),
            }
        }
    }
    curves
}
