//! How fast each request was served, in the order of sending.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel};
use crate::schema::figure::Better;

/// Its file's stem.
pub const NAME: &str = "tokens_per_second_by_request";
/// Its title.
pub const TITLE: &str = "Tokens per second of a request, in the order of sending";
/// Points of a line at most; above it, neighbours are averaged.
const MOST_POINTS: usize = 100;

/// Output tokens / E2E of completed requests over their place in the order of sending; of several runs the mean, with
/// a band from the lowest to the highest.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let (mut bands, mut lines) = (Vec::new(), Vec::new());
    let (mut highest, mut longest, mut widest) = (0.0f64, 0.0f64, 1.0f64);
    for drawn in input.labels() {
        let curves: Vec<&[(f64, f64)]> =
            drawn.runs.iter().map(|run| run.curves.output_tps_by_request.as_slice()).collect();
        let width = curves.iter().map(|curve| curve.last().map_or(0.0, |last| last.0)).fold(0.0, f64::max);
        let width = (width / MOST_POINTS as f64).ceil().max(1.0);
        let points = blocks(&curves, width);
        let runs = curves.iter().filter(|curve| !curve.is_empty()).count();
        let detail = match runs {
            0 => "no data".to_owned(),
            1 => String::new(),
            more => format!("mean of {more} runs"),
        };
        highest = points.iter().map(|point| point.3).fold(highest, f64::max);
        longest = points.last().map_or(longest, |last| longest.max(last.0 + width / 2.0));
        widest = widest.max(width);
        let series = drawn.detailed(&detail);
        if runs > 1 {
            let points = points.iter().map(|(x, _, low, high)| (*x, *low, *high)).collect();
            bands.push(Mark::Band { series: series.clone(), points });
        }
        lines.push(Mark::Line { series, points: points.iter().map(|(x, mean, ..)| (*x, *mean)).collect() });
    }
    let legend_note = (!bands.is_empty()).then(|| "band: from the lowest to the highest run".to_owned());
    bands.extend(lines);
    let x = Axis {
        name: "request, in the order of sending".to_owned(),
        scale: Scale::counting(longest),
        ..Axis::default()
    };
    let y = Axis {
        name: "output tokens / E2E".to_owned(),
        unit: "tok/s".to_owned(),
        detail: if widest > 1.0 { format!("mean of {widest:.0} requests") } else { String::new() },
        better: Some(Better::Higher),
        scale: Scale::linear(highest * 1.08),
        ..Axis::default()
    };
    let panels = vec![Panel { x, y, marks: bands }];
    ChartSpec { legend_note, ..input.context.spec(NAME, TITLE, panels) }
}

/// Blocks of so many requests: the middle, the mean over runs, and the lowest and the highest run.
fn blocks(curves: &[&[(f64, f64)]], width: f64) -> Vec<(f64, f64, f64, f64)> {
    let last = curves.iter().filter_map(|curve| curve.last()).map(|last| last.0).fold(0.0, f64::max);
    let mut blocks = Vec::new();
    for block in 0..(last / width).ceil() as usize {
        let (from, to) = (block as f64 * width, (block + 1) as f64 * width);
        let of_run = |curve: &&[(f64, f64)]| {
            let inside =
                curve.iter().filter(|(place, value)| *place > from && *place <= to && value.is_finite());
            let (count, sum) = inside.fold((0.0, 0.0), |(count, sum), (_, value)| (count + 1.0, sum + value));
            (count > 0.0).then(|| sum / count)
        };
        let runs: Vec<f64> = curves.iter().filter_map(of_run).collect();
        if !runs.is_empty() {
            let mean = runs.iter().sum::<f64>() / runs.len() as f64;
            let low = runs.iter().copied().fold(f64::INFINITY, f64::min);
            let high = runs.iter().copied().fold(0.0, f64::max);
            blocks.push((from + (width + 1.0) / 2.0, mean, low, high));
        }
    }
    blocks
}
