//! What is in a trace or a file of prompts, drawn: arrivals over time, and how long things are.

use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Reference, Series};
use crate::report::number::{compact, count};
use crate::schema::trace_stats::{PromptStats, TraceStats};

/// Stretches in which arrivals are counted, about.
const STRETCHES: f64 = 200.0;
/// Lengths that a stretch may have, s.
const STEPS_S: [f64; 16] = [
    0.001, 0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0,
    86_400.0,
];
/// Bins of a histogram.
const BINS: usize = 40;
/// Verdicts at the foot, at most.
const MOST_NOTES: usize = 3;

/// A trace, as a picture needs it.
#[derive(Debug, Clone, Copy)]
pub struct TraceData<'a> {
    /// Its figures.
    pub stats: &'a TraceStats,
    /// Arrivals after the first, s, in order.
    pub arrivals_s: &'a [f64],
    /// Prompt tokens of rows that were answered.
    pub input_tokens: &'a [u64],
    /// Answer tokens of them.
    pub output_tokens: &'a [u64],
}

/// Arrivals over time, and the lengths of prompts and answers.
pub fn trace_picture(trace: TraceData<'_>) -> ChartSpec {
    let stats = trace.stats;
    let lengths = [("prompts", trace.input_tokens), ("answers", trace.output_tokens)];
    ChartSpec {
        name: "trace".to_owned(),
        title: "Arrivals and lengths of a trace".to_owned(),
        subtitle: format!(
            "{} · {} · {} requests",
            stem(&stats.path),
            stats.format.title(),
            count(stats.rows)
        ),
        legend_note: None,
        panels: vec![arrivals(stats, trace.arrivals_s), histogram("tokens", "requests", 1, &lengths)],
        notes: stats.verdicts.iter().take(MOST_NOTES).cloned().collect(),
        stacked: false,
    }
}

/// How long the prompts of a file are: `characters` and `words` of each.
pub fn prompts_picture(stats: &PromptStats, characters: &[u64], words: &[u64]) -> ChartSpec {
    ChartSpec {
        name: "prompts".to_owned(),
        title: "Lengths of prompts".to_owned(),
        subtitle: format!("{} · {} prompts", stem(&stats.path), count(stats.prompts)),
        legend_note: None,
        panels: vec![
            histogram("characters", "prompts", 0, &[("prompts", characters)]),
            histogram("words", "prompts", 0, &[("prompts", words)]),
        ],
        notes: Vec::new(),
        stacked: false,
    }
}

fn stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn series(label: &str, style: usize) -> Series {
    Series { label: label.to_owned(), detail: String::new(), style }
}

/// Requests a second in even stretches.
fn arrivals(stats: &TraceStats, arrivals_s: &[f64]) -> Panel {
    let least = stats.span_s / STRETCHES;
    let width = STEPS_S.into_iter().find(|step| *step >= least).unwrap_or(least);
    let mut counts = vec![0u32; (stats.span_s / width) as usize + 1];
    for at_s in arrivals_s {
        if let Some(count) = counts.get_mut((at_s / width) as usize) {
            *count += 1;
        }
    }
    let rates = counts.iter().map(|count| f64::from(*count) / width);
    let highest = rates.clone().fold(0.0, f64::max);
    let bins = rates
        .enumerate()
        .map(|(place, rate)| (place as f64 * width, (place + 1) as f64 * width, rate))
        .collect();
    let mean = stats.rate_per_s.map(|rate| Reference { at: rate, label: format!("mean {}", compact(rate)) });
    Panel {
        x: Axis {
            name: "seconds after the first request".to_owned(),
            scale: Scale::linear(counts.len() as f64 * width),
            ..Axis::default()
        },
        y: Axis {
            name: "arrivals".to_owned(),
            unit: "requests/s".to_owned(),
            detail: format!("in {width} s each"),
            scale: Scale::linear(highest * 1.08),
            references: mean.into_iter().collect(),
            ..Axis::default()
        },
        marks: vec![Mark::Histogram { series: series("arrivals", 0), bins }],
    }
}

/// How many of all are how long; a logarithmic axis begins at 1.
fn histogram(unit: &str, of: &str, first_style: usize, lengths: &[(&str, &[u64])]) -> Panel {
    let all = || lengths.iter().flat_map(|(_, values)| values.iter()).map(|value| (*value).max(1) as f64);
    let scale = Scale::fitting(all());
    let largest = all().fold(1.0, f64::max);
    let smallest = all().fold(largest, f64::min);
    let is_log = matches!(scale, Scale::Log { .. });
    let edge = |place: usize| {
        let share = place as f64 / BINS as f64;
        if is_log { smallest * (largest / smallest).powf(share) } else { largest * share }
    };
    let place = |value: f64| {
        let share =
            if is_log { (value / smallest).ln() / (largest / smallest).ln() } else { value / largest };
        ((share * BINS as f64) as usize).min(BINS - 1)
    };
    let mut highest = 0.0f64;
    let mut marks = Vec::new();
    for (place_of, (label, values)) in lengths.iter().enumerate() {
        let mut counts = [0u64; BINS];
        values.iter().for_each(|value| counts[place((*value).max(1) as f64)] += 1);
        let percent = |count: u64| 100.0 * count as f64 / values.len().max(1) as f64;
        highest = counts.iter().map(|count| percent(*count)).fold(highest, f64::max);
        let bins = counts.iter().enumerate().map(|(bin, count)| (edge(bin), edge(bin + 1), percent(*count)));
        let bins = if values.is_empty() { Vec::new() } else { bins.collect() };
        marks.push(Mark::Histogram { series: series(label, first_style + place_of), bins });
    }
    Panel {
        x: Axis { name: "length".to_owned(), unit: unit.to_owned(), scale, ..Axis::default() },
        y: Axis {
            name: format!("share of {of}"),
            unit: "%".to_owned(),
            scale: Scale::linear(highest * 1.08),
            ..Axis::default()
        },
        marks,
    }
}
