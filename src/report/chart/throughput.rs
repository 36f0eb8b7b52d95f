//! Output tokens a second over the run, one line a backend.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel};
use crate::report::rows::View;
use crate::schema::figure::Better;
use crate::schema::summary::RunSummary;

/// Its file's stem.
pub const NAME: &str = "throughput_over_time";
/// Its title.
pub const TITLE: &str = "Output tokens per second over the run";
/// Most points of a line; above it, longer stretches are averaged.
const MOST_STRETCHES: usize = 150;

/// Output tokens that arrived in each second of every run. The last second is left out: it is cut short.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let view = View::of(input.comparison, 1);
    let seconds: Vec<Vec<f64>> = view.columns.iter().map(|column| mean_seconds(&column.runs)).collect();
    let longest = seconds.iter().map(Vec::len).max().unwrap_or(0);
    let stretch = stretch_s(longest);
    let lines: Vec<Vec<(f64, f64)>> = seconds.iter().map(|seconds| averaged(seconds, stretch)).collect();
    let highest = lines.iter().flatten().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let marks = view.columns.iter().zip(lines).enumerate().map(|(index, (column, points))| {
        let detail = match (points.is_empty(), column.runs.len()) {
            (true, _) => "too short: under one second".to_owned(),
            (false, 1) => String::new(),
            (false, runs) => format!("mean of {runs} runs"),
        };
        Mark::Line { series: input.context.series(&column.group.label, index, &detail), points }
    });
    let marks = marks.collect();
    let x = Axis {
        name: "seconds since the run began".to_owned(),
        scale: Scale::linear(longest as f64),
        ..Axis::default()
    };
    let y = Axis {
        name: "output tokens per second".to_owned(),
        unit: "tok/s".to_owned(),
        detail: if stretch == 1 { String::new() } else { format!("mean over {stretch} s") },
        better: Some(Better::Higher),
        scale: Scale::linear(highest * 1.08),
        ..Axis::default()
    };
    ChartSpec {
        name: NAME.to_owned(),
        title: TITLE.to_owned(),
        subtitle: input.context.subtitle.clone(),
        legend_note: None,
        panels: vec![Panel { x, y, marks }],
        notes: input.context.notes.clone(),
    }
}

/// The run's seconds without the last one, which the end of the run cuts short.
fn whole_seconds(run: &RunSummary) -> &[u64] {
    run.output_tokens_by_second.split_last().map_or(&[], |(_, whole)| whole)
}

/// The mean over runs of each second that all of them have.
fn mean_seconds(runs: &[&RunSummary]) -> Vec<f64> {
    let shortest = runs.iter().map(|run| whole_seconds(run).len()).min().unwrap_or(0);
    let sum = |second| runs.iter().filter_map(|run| whole_seconds(run).get(second)).sum::<u64>() as f64;
    (0..shortest).map(|second| sum(second) / runs.len() as f64).collect()
}

/// Seconds that one point stands for.
fn stretch_s(seconds: usize) -> usize {
    let least = seconds.div_ceil(MOST_STRETCHES);
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].into_iter().find(|stretch| *stretch >= least).unwrap_or(least)
}

/// Means over stretches, each at its middle; a stretch that is not whole is left out.
fn averaged(seconds: &[f64], stretch: usize) -> Vec<(f64, f64)> {
    seconds
        .chunks_exact(stretch.max(1))
        .enumerate()
        .map(|(index, tokens)| {
            let middle = (index as f64 + 0.5) * stretch as f64;
            (middle, tokens.iter().sum::<f64>() / stretch as f64)
        })
        .collect()
}
