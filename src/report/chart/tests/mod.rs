//! The pictures hold what they should, whatever the numbers. With `HARNESS_KEEP_PLOTS=DIR` they are kept, to be looked at.

mod files;
mod values;
mod words;

use super::layout::layout;
use super::paint::PNG_SCALE;
use std::collections::BTreeMap;

use super::scene::{Scene, Shape, TextBox, WIDTH};
use super::*;
use crate::report::fixture::{self, comparison, distribution, empty, four, plan, run, with_energy};
use crate::report::fixture_curves::curves as curves_of;
use crate::report::fixture_machine::{Machine, machine};
use crate::schema::comparison::Comparison;
use crate::schema::curves::RunCurves;
use crate::schema::figure;
use crate::schema::sample::SensedSeries;
use crate::schema::series::server::SERVER_WAITING;
use crate::schema::summary::{MetricValue, RunSummary};
use crate::schema::verdict::Interval;
use proptest::prelude::*;

/// The specs of every chart of one load, those without data too.
fn specs(comparison: &Comparison) -> Vec<ChartSpec> {
    specs_of(comparison, &comparison.runs.iter().map(curves_of).collect::<Vec<_>>())
}

/// The same with these curves, one of each run.
fn specs_of(comparison: &Comparison, curves: &[RunCurves]) -> Vec<ChartSpec> {
    let context = ChartContext::new(&plan(), comparison);
    let machines: Vec<Machine> = comparison.runs.iter().map(|run| machine(run, 1)).collect();
    let runs: Vec<DrawnRun<'_>> = drawn(comparison, curves)
        .iter()
        .zip(&comparison.runs)
        .zip(&machines)
        .map(
            |((drawn, run), machine)| {
                if drawn.curves.is_empty() { *drawn } else { machine.drawn(run, drawn.curves) }
            },
        )
        .collect();
    let input = ChartInput { comparison, runs: &runs, context: &context };
    CHARTS.iter().map(|listed| (listed.spec)(&input)).collect()
}

fn drawn<'a>(comparison: &'a Comparison, curves: &'a [RunCurves]) -> Vec<DrawnRun<'a>> {
    let runs = comparison.runs.iter().zip(curves);
    runs.map(|(run, curves)| DrawnRun::bare(&run.key, curves)).collect()
}

/// The one of a name.
fn named(specs: &[ChartSpec], name: &str) -> ChartSpec {
    specs.iter().find(|spec| spec.name == name).unwrap().clone()
}

/// The SVG of a spec, which holds nothing that lies on another text: a bitmap takes the same path and costs more.
fn svg(spec: &ChartSpec, case: &str) -> String {
    if let Some(directory) = std::env::var_os("HARNESS_KEEP_PLOTS") {
        let chart = draw(spec).unwrap();
        let stem = std::path::Path::new(&directory).join(format!("{}_{case}", chart.name));
        std::fs::write(stem.with_extension("png"), &chart.png).unwrap();
        std::fs::write(stem.with_extension("svg"), &chart.svg).unwrap();
    }
    let scene = layout(spec);
    assert_eq!(texts_out_of_place(&scene), [""; 0], "{case}");
    paint::svg(&scene).unwrap()
}

/// The pictures by their names.
fn all(comparison: &Comparison, case: &str) -> BTreeMap<String, String> {
    specs(comparison).iter().map(|spec| (spec.name.clone(), svg(spec, case))).collect()
}

/// Texts that lie on another one or leave the picture.
fn texts_out_of_place(scene: &Scene) -> Vec<String> {
    let mut boxes: Vec<(TextBox, &str)> = Vec::new();
    let mut wrong = Vec::new();
    for shape in &scene.shapes {
        let (Shape::Text { text, .. }, Some(own)) = (shape, shape.text_box()) else { continue };
        if own.left < 0.0 || own.right > WIDTH || own.top < 0.0 || own.bottom > scene.height {
            wrong.push(format!("{text:?} leaves the picture"));
        }
        for (_, other) in boxes.iter().filter(|(other, _)| own.overlaps(other)) {
            wrong.push(format!("{text:?} lies on {other:?}"));
        }
        boxes.push((own, text));
    }
    wrong
}

/// The texts of an SVG, one a line.
fn texts(svg: &str) -> String {
    svg.lines().filter(|line| !line.starts_with('<')).collect::<Vec<_>>().join("\n")
}

fn size(chart: &Chart) -> (u32, u32) {
    let mut decoder = png::Decoder::new(chart.png.as_slice());
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.iter().any(|channel| *channel < 100), "nothing dark was drawn");
    (reader.info().width, reader.info().height)
}

fn svg_height(chart: &Chart) -> u32 {
    let from = chart.svg.find("height=\"").unwrap() + 8;
    chart.svg[from..].split('"').next().unwrap().parse().unwrap()
}

/// TTFT p99 over rising concurrency: labels with `(x, median)`, the rounds 20 % around it.
fn curves(labels: &[&str], points: &[(f64, f64)]) -> Curves<'static> {
    let point = |turn: usize| {
        move |(x, median): &(f64, f64)| {
            let median = median * (1.0 + 0.3 * turn as f64);
            CurvePoint { x: *x, median, low: median * 0.8, high: median * 1.2, rounds: 3, saturated: false }
        }
    };
    let curve = |(turn, label): (usize, &&str)| Curve {
        label: (*label).to_owned(),
        points: points.iter().map(point(turn)).collect(),
    };
    Curves {
        metric: figure::metric(figure::TTFT).unwrap(),
        statistic: Some("p99"),
        counts: true,
        load: "concurrency",
        load_unit: "requests in flight",
        curves: labels.iter().enumerate().map(curve).collect(),
    }
}
