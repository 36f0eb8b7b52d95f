//! Line pictures: the distribution of TTFT, and output tokens a second over the run.

use plotters::backend::DrawingBackend;

use super::axis::{self, Frame, Legend, MARGIN, Scale, TICK, draw_foot, draw_head};
use super::canvas::{AXIS_LINE, Anchor, Canvas, Lettering, Look, SOFT};
use super::{Chart, ChartContext, Picture, THROUGHPUT, TTFT_DISTRIBUTION, WIDTH, render};
use crate::report::number::{count, one_line};
use crate::schema::comparison::Comparison;
use crate::schema::summary::RunSummary;

const PLOT_HEIGHT: f64 = 380.0;
/// Names of the axes and their ticks, above and below the plot, points.
const ABOVE: f64 = 38.0;
const BELOW: f64 = 50.0;
/// Most points of one line: more would lie on each other.
const MOST_POINTS: usize = 1500;
/// Markers on one line, about.
const MARKERS: usize = 8;
/// Most points of a line over time; above it, longer stretches are averaged.
const MOST_STRETCHES: usize = 150;

/// The empirical distribution of TTFT for every backend: `samples` holds labels with their values in ms.
/// Values that are not finite are left out; x is logarithmic where the values span more than a factor of 20.
///
/// # Errors
/// When the drawing library fails.
pub fn ttft_distribution(samples: &[(String, Vec<f64>)], context: &ChartContext) -> anyhow::Result<Chart> {
    render(TTFT_DISTRIBUTION, &distribution(samples, context))
}

pub(super) fn distribution<'a>(samples: &[(String, Vec<f64>)], context: &'a ChartContext) -> Lines<'a> {
    let sorted: Vec<Vec<f64>> = samples.iter().map(|(_, values)| finite_sorted(values)).collect();
    let smallest = sorted.iter().filter_map(|values| values.first()).copied().fold(f64::INFINITY, f64::min);
    let largest = sorted.iter().filter_map(|values| values.last()).copied().fold(0.0, f64::max);
    let x = Scale::fitting(smallest, largest);
    let log = matches!(x, Scale::Log { .. });
    let lines = samples.iter().zip(&sorted).enumerate().map(|(index, ((label, _), values))| Line {
        name: format!("{} ({})", one_line(label), requests(values.len())),
        look: Look::of(context.place(label, index)),
        points: steps(values),
    });
    Lines {
        context,
        title: "Time to first token: its distribution",
        lines: lines.collect(),
        x,
        y: Scale::Linear { max: 100.0 },
        x_name: format!("TTFT (ms){} – further left is better", if log { ", logarithmic" } else { "" }),
        y_name: "share of requests that had their first token by then (%)".to_owned(),
        marks: &[(50.0, "p50"), (99.0, "p99")],
    }
}

fn requests(number: usize) -> String {
    match number {
        0 => "no data".to_owned(),
        1 => "1 request".to_owned(),
        more => format!("{} requests", count(more as u64)),
    }
}

fn finite_sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> =
        values.iter().copied().filter(|value| value.is_finite() && *value >= 0.0).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The steps of an empirical distribution, shares in %.
fn steps(sorted: &[f64]) -> Vec<(f64, f64)> {
    let total = sorted.len() as f64;
    let mut points = Vec::new();
    let mut below = 0.0;
    let every = sorted.len().div_ceil(MOST_POINTS).max(1);
    for (index, value) in sorted.iter().enumerate() {
        let last = index + 1 == sorted.len();
        if index % every == every - 1 || last || index == 0 {
            points.push((*value, below));
            below = (index + 1) as f64 / total * 100.0;
            points.push((*value, below));
        }
    }
    points
}

/// Output tokens that arrived in each second of every run. The last second is left out: it is cut short.
///
/// # Errors
/// When the drawing library fails.
pub fn throughput_over_time(comparison: &Comparison, context: &ChartContext) -> anyhow::Result<Chart> {
    render(THROUGHPUT, &throughput(comparison, context))
}

pub(super) fn throughput<'a>(comparison: &Comparison, context: &'a ChartContext) -> Lines<'a> {
    let longest = comparison.runs.iter().map(|run| whole_seconds(run).len()).max().unwrap_or(0);
    let stretch = stretch_s(longest);
    let lines: Vec<Line> = comparison
        .runs
        .iter()
        .enumerate()
        .map(|(index, run)| {
            let points = averaged(whole_seconds(run), stretch);
            let missing = if points.is_empty() { " (too short: under one second)" } else { "" };
            Line {
                name: format!("{}{missing}", one_line(&run.key.label)),
                look: Look::of(context.place(&run.key.label, index)),
                points,
            }
        })
        .collect();
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let highest = points().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let averaged = if stretch == 1 { String::new() } else { format!(", mean over {stretch} s") };
    Lines {
        context,
        title: "Output tokens per second over the run",
        x: Scale::linear(longest as f64),
        y: Scale::linear(highest * 1.08),
        lines,
        x_name: "seconds since the run began".to_owned(),
        y_name: format!("output tokens per second (tok/s){averaged} – higher is better"),
        marks: &[],
    }
}

/// The run's seconds without the last one, which the end of the run cuts short.
fn whole_seconds(run: &RunSummary) -> &[u64] {
    run.output_tokens_by_second.split_last().map_or(&[], |(_, whole)| whole)
}

/// Seconds that one point stands for.
fn stretch_s(seconds: usize) -> usize {
    let least = seconds.div_ceil(MOST_STRETCHES);
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].into_iter().find(|stretch| *stretch >= least).unwrap_or(least)
}

/// Means over stretches, each at its middle; a stretch that is not whole is left out.
fn averaged(seconds: &[u64], stretch: usize) -> Vec<(f64, f64)> {
    seconds
        .chunks_exact(stretch.max(1))
        .enumerate()
        .map(|(index, tokens)| {
            let middle = (index as f64 + 0.5) * stretch as f64;
            (middle, tokens.iter().map(|tokens| *tokens as f64).sum::<f64>() / stretch as f64)
        })
        .collect()
}

struct Line {
    name: String,
    look: Look,
    points: Vec<(f64, f64)>,
}

pub(super) struct Lines<'a> {
    context: &'a ChartContext,
    title: &'static str,
    lines: Vec<Line>,
    x: Scale,
    y: Scale,
    x_name: String,
    y_name: String,
    /// Heights to be marked with a name.
    marks: &'static [(f64, &'static str)],
}

impl Lines<'_> {
    fn legend(&self) -> Legend {
        Legend::new(self.lines.iter().map(|line| (line.name.clone(), line.look)))
    }

    fn top(&self, legend: &Legend) -> f64 {
        axis::head_height(self.context) + legend.height() + ABOVE
    }
}

impl Picture for Lines<'_> {
    fn height(&self) -> f64 {
        self.top(&self.legend()) + PLOT_HEIGHT + BELOW + axis::foot_height(self.context)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &mut Canvas<'_, DB>) -> anyhow::Result<()> {
        draw_head(canvas, self.title, self.context)?;
        let legend = self.legend();
        legend.draw(canvas, axis::head_height(self.context))?;
        let top = self.top(&legend);
        let frame = Frame {
            left: MARGIN + 44.0,
            right: f64::from(WIDTH) - MARGIN - 16.0,
            top,
            bottom: top + PLOT_HEIGHT,
            x: self.x,
            y: self.y,
        };
        frame.draw(canvas, &self.x_name, &self.y_name)?;
        self.draw_marks(canvas, &frame)?;
        for line in &self.lines {
            draw_line(canvas, &frame, line)?;
        }
        if self.lines.iter().all(|line| line.points.is_empty()) {
            let middle = ((frame.left + frame.right) / 2.0, top + PLOT_HEIGHT * 0.44);
            canvas.text("no data", middle, Anchor::Middle, Lettering::new(18.0, SOFT))?;
        }
        draw_foot(canvas, self.context, frame.bottom + BELOW)
    }
}

impl Lines<'_> {
    fn draw_marks<DB: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, DB>,
        frame: &Frame,
    ) -> anyhow::Result<()> {
        for (height, name) in self.marks {
            let (_, y) = frame.place(0.0, *height);
            canvas.line(&[(frame.left, y), (frame.right, y)], 1.0, AXIS_LINE)?;
            canvas.text(name, (frame.right + 6.0, y + 4.0), Anchor::Start, TICK)?;
        }
        Ok(())
    }
}

fn draw_line<DB: DrawingBackend>(
    canvas: &mut Canvas<'_, DB>,
    frame: &Frame,
    line: &Line,
) -> anyhow::Result<()> {
    let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| frame.place(*x, *y)).collect();
    canvas.styled_line(&points, 2.2, line.look)?;
    let every = points.len().div_ceil(MARKERS).max(1);
    // Each line begins its markers at another point, so that lines on each other still show theirs.
    let first = if points.len() > every { line.look.offset(every) } else { 0 };
    for point in points.iter().skip(first).step_by(every) {
        canvas.marker(*point, line.look)?;
    }
    if let Some(last) = points.last() {
        canvas.marker(*last, line.look)?;
    }
    Ok(())
}
