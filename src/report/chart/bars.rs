//! Comparison bars: one small panel a metric, p50 and p99 of each backend side by side.

use plotters::backend::DrawingBackend;

use super::axis::{self, MARGIN, Scale, TICK, draw_foot, draw_head, tick_text};
use super::canvas::{AXIS_LINE, Anchor, Canvas, GRID_LINE, INK, Lettering, Look, SOFT};
use super::{COMPARISON, Chart, ChartContext, Picture, WIDTH, render};
use crate::report::number::{compact, one_line};
use crate::report::rows::{direction, value};
use crate::schema::comparison::Comparison;
use crate::schema::figure::{self, Metric, Shape, Statistic};

const TITLE: &str = "Latency and throughput by backend";
/// The panels, row by row.
const PANELS: [&str; 4] = [figure::TTFT, figure::TPOT, figure::E2E, figure::OUTPUT_TPS];
/// Between the two columns of panels, points.
const GUTTER: f64 = 36.0;
const PANEL_HEAD: f64 = 32.0;
const PANEL_FOOT: f64 = 38.0;
const LEGEND_HEIGHT: f64 = 26.0;
const BAR: f64 = 15.0;
const HEAD: Lettering = Lettering::bold(14.0, INK);
const LABEL: Lettering = Lettering::new(12.5, INK);
const NUMBER: Lettering = Lettering::new(12.0, INK);
const BEST: Lettering = Lettering::bold(12.0, INK);
const MISSING: Lettering = Lettering::new(12.0, SOFT);

/// Bars with p50 and p99 of TTFT, TPOT and E2E, and the output throughput, for every run.
///
/// # Errors
/// When the drawing library fails.
pub fn comparison_bars(comparison: &Comparison, context: &ChartContext) -> anyhow::Result<Chart> {
    render(COMPARISON, &Bars::new(comparison, context))
}

pub(super) struct Bars<'a> {
    context: &'a ChartContext,
    panels: Vec<Panel>,
    looks: Vec<Look>,
    /// Each backend's label, broken into at most two lines.
    labels: Vec<Vec<String>>,
    label_width: f64,
}

struct Panel {
    metric: &'static Metric,
    /// A run's bars from the top: value, pale, best of its metric.
    runs: Vec<Vec<Bar>>,
}

struct Bar {
    value: Option<f64>,
    pale: bool,
    best: bool,
}

impl<'a> Bars<'a> {
    pub(super) fn new(comparison: &Comparison, context: &'a ChartContext) -> Self {
        let panels =
            PANELS.iter().filter_map(|name| figure::metric(name)).map(|metric| panel(comparison, metric));
        let label_limit = (panel_width() * 0.34).floor();
        let labels: Vec<Vec<String>> =
            comparison.runs.iter().map(|run| two_lines(&run.key.label, label_limit)).collect();
        let label_width = labels.iter().flatten().map(|line| LABEL.width(line)).fold(20.0, f64::max);
        let looks = comparison.runs.iter().enumerate();
        Bars {
            context,
            panels: panels.collect(),
            looks: looks.map(|(index, run)| Look::of(context.place(&run.key.label, index))).collect(),
            labels,
            label_width,
        }
    }

    fn row_height(&self) -> f64 {
        if self.looks.len() <= 2 { 58.0 } else { 46.0 }
    }

    fn panel_height(&self) -> f64 {
        PANEL_HEAD + self.looks.len().max(1) as f64 * self.row_height() + PANEL_FOOT
    }
}

fn panel_width() -> f64 {
    (f64::from(WIDTH) - 2.0 * MARGIN - GUTTER) / 2.0
}

fn two_lines(label: &str, width: f64) -> Vec<String> {
    let lines = LABEL.wrap(&one_line(label), width);
    if lines.len() <= 2 {
        return lines;
    }
    let letters: Vec<char> = one_line(label).chars().collect();
    // The first line holds as much as it did; the rest is shortened in its middle.
    let rest: String = letters[lines[0].chars().count().min(letters.len())..].iter().collect();
    vec![lines[0].clone(), LABEL.fit(rest.trim_start(), width)]
}

fn panel(comparison: &Comparison, metric: &'static Metric) -> Panel {
    let best = comparison.groups.iter().find_map(|group| Some((&group.label, group.best.get(metric.name)?)));
    let statistics: &[(Statistic, bool)] = match metric.shape() {
        Shape::Distribution => &[(Statistic::P50, false), (Statistic::P99, true)],
        Shape::Scalar => &[(Statistic::Value, false)],
    };
    let runs = comparison.runs.iter().map(|run| {
        let bar = |(statistic, pale): &(Statistic, bool)| Bar {
            value: value(run, metric.name, *statistic),
            pale: *pale,
            best: best.is_some_and(|(label, best)| *label == run.key.label && best == statistic),
        };
        statistics.iter().map(bar).collect()
    });
    Panel { metric, runs: runs.collect() }
}

impl Picture for Bars<'_> {
    fn height(&self) -> f64 {
        axis::head_height(self.context)
            + LEGEND_HEIGHT
            + self.panels.len().div_ceil(2) as f64 * self.panel_height()
            + axis::foot_height(self.context)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &mut Canvas<'_, DB>) -> anyhow::Result<()> {
        draw_head(canvas, TITLE, self.context)?;
        let top = axis::head_height(self.context);
        self.draw_legend(canvas, top)?;
        for (index, panel) in self.panels.iter().enumerate() {
            let left = MARGIN + (index % 2) as f64 * (panel_width() + GUTTER);
            let top = top + LEGEND_HEIGHT + (index / 2) as f64 * self.panel_height();
            self.draw_panel(canvas, panel, left, top)?;
        }
        let panels = self.panels.len().div_ceil(2) as f64 * self.panel_height();
        draw_foot(canvas, self.context, top + LEGEND_HEIGHT + panels)
    }
}

impl Bars<'_> {
    fn draw_legend<DB: DrawingBackend>(&self, canvas: &mut Canvas<'_, DB>, top: f64) -> anyhow::Result<()> {
        let grey = Look::of(6);
        let mut x = MARGIN;
        for (colour, text) in
            [(grey.colour(), "p50; throughput: whole run"), (grey.pale(), "p99 (99 % of requests are below)")]
        {
            canvas.rect((x, top), (x + 22.0, top + 12.0), colour)?;
            canvas.text(text, (x + 29.0, top + 10.5), Anchor::Start, LABEL)?;
            x += 29.0 + LABEL.width(text) + 26.0;
        }
        if self.panels.iter().flat_map(|panel| panel.runs.iter().flatten()).any(|bar| bar.best) {
            canvas.text("best", (x, top + 10.5), Anchor::Start, BEST)?;
            let text = "= best p50 or throughput";
            canvas.text(text, (x + BEST.width("best") + 6.0, top + 10.5), Anchor::Start, LABEL)?;
        }
        Ok(())
    }

    fn draw_panel<DB: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, DB>,
        panel: &Panel,
        left: f64,
        top: f64,
    ) -> anyhow::Result<()> {
        let head = format!("{} ({})", panel.metric.title, panel.metric.unit);
        canvas.text(&head, (left, top + 20.0), Anchor::Start, HEAD)?;
        let side = (left + HEAD.width(&head) + 10.0, top + 20.0);
        canvas.text(direction(panel.metric), side, Anchor::Start, MISSING)?;

        let bars = || panel.runs.iter().flatten();
        let number_width =
            bars().map(|bar| BEST.width(&bar_text(bar))).fold(NUMBER.width("no data"), f64::max) + 10.0;
        let from = left + self.label_width + 10.0;
        let to = left + panel_width() - number_width;
        let scale = Scale::linear(bars().filter_map(|bar| bar.value).fold(0.0, f64::max));
        let bottom = top + PANEL_HEAD + self.looks.len().max(1) as f64 * self.row_height();
        draw_ticks(canvas, scale, (from, to), (top + PANEL_HEAD, bottom))?;
        if panel.runs.is_empty() {
            canvas.text(
                "no data",
                (from + 8.0, (top + PANEL_HEAD + bottom) / 2.0),
                Anchor::Start,
                MISSING,
            )?;
        }
        for (index, run) in panel.runs.iter().enumerate() {
            let middle = top + PANEL_HEAD + (index as f64 + 0.5) * self.row_height();
            self.draw_label(canvas, index, (from - 10.0, middle))?;
            draw_bars(canvas, run, self.looks[index], scale, (from, to, middle))?;
        }
        canvas.line(&[(from, top + PANEL_HEAD), (from, bottom)], 1.2, AXIS_LINE)
    }

    fn draw_label<DB: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, DB>,
        run: usize,
        (right, middle): (f64, f64),
    ) -> anyhow::Result<()> {
        let lines = &self.labels[run];
        let first = middle + 4.5 - (lines.len() as f64 - 1.0) * 8.0;
        for (index, line) in lines.iter().enumerate() {
            canvas.text(line, (right, first + index as f64 * 16.0), Anchor::End, LABEL)?;
        }
        Ok(())
    }
}

fn bar_text(bar: &Bar) -> String {
    let best = if bar.best { " best" } else { "" };
    format!("{}{best}", bar.value.map_or_else(|| "no data".to_owned(), compact))
}

fn draw_bars<DB: DrawingBackend>(
    canvas: &mut Canvas<'_, DB>,
    bars: &[Bar],
    look: Look,
    scale: Scale,
    (from, to, middle): (f64, f64, f64),
) -> anyhow::Result<()> {
    if bars.iter().all(|bar| bar.value.is_none()) {
        return canvas.text("no data", (from + 8.0, middle + 4.5), Anchor::Start, MISSING);
    }
    let thick = if bars.len() == 1 { BAR * 1.4 } else { BAR };
    let gap = 2.0;
    let mut top = middle - (thick * bars.len() as f64 + gap * (bars.len() as f64 - 1.0)) / 2.0;
    for bar in bars {
        let base_line = top + thick / 2.0 + 4.3;
        let mut end = from;
        if let Some(value) = bar.value {
            end = from + scale.share(value) * (to - from);
            let colour = if bar.pale { look.pale() } else { look.colour() };
            canvas.rect((from, top), (end.max(from + 1.0), top + thick), colour)?;
        }
        let lettering = match (bar.value, bar.best) {
            (None, _) => MISSING,
            (Some(_), true) => BEST,
            (Some(_), false) => NUMBER,
        };
        canvas.text(&bar_text(bar), (end + 6.0, base_line), Anchor::Start, lettering)?;
        top += thick + gap;
    }
    Ok(())
}

fn draw_ticks<DB: DrawingBackend>(
    canvas: &mut Canvas<'_, DB>,
    scale: Scale,
    (from, to): (f64, f64),
    (top, bottom): (f64, f64),
) -> anyhow::Result<()> {
    for tick in scale.ticks(4) {
        let x = from + scale.share(tick) * (to - from);
        canvas.line(&[(x, top), (x, bottom)], 1.0, GRID_LINE)?;
        canvas.text(&tick_text(tick), (x, bottom + 15.0), Anchor::Middle, TICK)?;
    }
    Ok(())
}
