//! Scales and ticks, and what stands around every picture: head, legend and foot.

use plotters::backend::DrawingBackend;

use super::canvas::{AXIS_LINE, Anchor, Canvas, GRID_LINE, INK, Lettering, Look, SOFT};
use super::{ChartContext, WIDTH};
use crate::report::number::compact;

/// Free space at the left and right edge, points.
pub const MARGIN: f64 = 28.0;
pub const TITLE: Lettering = Lettering::bold(20.0, INK);
pub const SUBTITLE: Lettering = Lettering::new(13.0, SOFT);
pub const LEGEND: Lettering = Lettering::new(13.0, INK);
pub const TICK: Lettering = Lettering::new(11.5, SOFT);
const NOTE: Lettering = Lettering::new(11.5, SOFT);
/// Lines that the notes may take.
const NOTE_LINES: usize = 4;

/// Values to points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Equal steps from 0 up to this.
    Linear { max: f64 },
    /// Equal ratios between these.
    Log { min: f64, max: f64 },
}

impl Scale {
    /// From 0 to just above the largest value.
    pub fn linear(largest: f64) -> Self {
        Scale::Linear { max: if largest > 0.0 { largest } else { 1.0 } }
    }

    /// Logarithmic where the values span more than a factor of 20, else linear.
    pub fn fitting(smallest: f64, largest: f64) -> Self {
        if smallest > 0.0 && largest / smallest > 20.0 {
            Scale::Log { min: smallest / 1.15, max: (largest * 1.15).min(f64::MAX) }
        } else {
            Scale::linear(largest * 1.05)
        }
    }

    /// Where a value lies, 0 to 1.
    pub fn share(self, value: f64) -> f64 {
        let share = match self {
            Scale::Linear { max } => value / max,
            Scale::Log { min, max } => (value.max(min) / min).ln() / (max / min).ln(),
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Round values along the scale, about `wanted` of them.
    pub fn ticks(self, wanted: usize) -> Vec<f64> {
        match self {
            Scale::Linear { max } => linear_ticks(max, wanted),
            Scale::Log { min, max } => log_ticks(min, max, wanted),
        }
    }
}

fn linear_ticks(max: f64, wanted: usize) -> Vec<f64> {
    let rough = max / wanted.max(1) as f64;
    let decade = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * decade).find(|step| *step >= rough);
    let Some(step) = step.filter(|step| step.is_normal()) else { return vec![0.0] };
    (0..=wanted + 1).map(|index| index as f64 * step).filter(|tick| *tick <= max * 1.000_001).collect()
}

fn log_ticks(min: f64, max: f64, wanted: usize) -> Vec<f64> {
    let within = |factors: &[f64]| -> Vec<f64> {
        let decades = (min.log10().floor() as i32).max(-307)..=(max.log10().ceil() as i32).min(308);
        decades
            .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
            .filter(|tick| (min..=max).contains(tick))
            .collect()
    };
    let fine = within(&[1.0, 2.0, 5.0]);
    if fine.len() <= wanted + 3 {
        return fine;
    }
    let coarse = within(&[1.0]);
    let every = coarse.len().div_ceil(wanted + 3).max(1);
    coarse.into_iter().step_by(every).collect()
}

/// A tick's number without needless digits: `0`, `2.5`, `1,000`, `20k`, `2M`.
pub fn tick_text(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 1e15 || (size > 0.0 && size < 1e-4) => return format!("{value:.0e}"),
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    if scaled.abs() >= 1e3 {
        return compact(scaled);
    }
    let text = format!("{scaled:.5}");
    format!("{}{suffix}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The head's height with its subtitle, points.
pub fn head_height(context: &ChartContext) -> f64 {
    54.0 + subtitle_lines(context).len() as f64 * 18.0
}

fn subtitle_lines(context: &ChartContext) -> Vec<String> {
    SUBTITLE.wrap(&context.subtitle, f64::from(WIDTH) - 2.0 * MARGIN)
}

/// Title and subtitle at the top.
pub fn draw_head<DB: DrawingBackend>(
    canvas: &mut Canvas<'_, DB>,
    title: &str,
    context: &ChartContext,
) -> anyhow::Result<()> {
    canvas.text(title, (MARGIN, 38.0), Anchor::Start, TITLE)?;
    for (index, line) in subtitle_lines(context).iter().enumerate() {
        canvas.text(line, (MARGIN, 59.0 + index as f64 * 18.0), Anchor::Start, SUBTITLE)?;
    }
    Ok(())
}

fn note_lines(context: &ChartContext) -> Vec<String> {
    if context.notes.is_empty() {
        return Vec::new();
    }
    let width = f64::from(WIDTH) - 2.0 * MARGIN;
    let mut lines = NOTE.wrap(&format!("Mind: {}.", context.notes.join("; ")), width);
    if lines.len() > NOTE_LINES {
        lines.truncate(NOTE_LINES);
        if let Some(last) = lines.last_mut() {
            *last = format!("{} …", NOTE.fit(last, width - 16.0));
        }
    }
    lines
}

/// The foot's height, points.
pub fn foot_height(context: &ChartContext) -> f64 {
    let lines = note_lines(context).len() as f64;
    if lines > 0.0 { 24.0 + lines * 16.0 } else { 12.0 }
}

/// The doubts below everything, beginning at `top`.
pub fn draw_foot<DB: DrawingBackend>(
    canvas: &mut Canvas<'_, DB>,
    context: &ChartContext,
    top: f64,
) -> anyhow::Result<()> {
    for (index, line) in note_lines(context).iter().enumerate() {
        canvas.text(line, (MARGIN, top + 18.0 + index as f64 * 16.0), Anchor::Start, NOTE)?;
    }
    Ok(())
}

/// Lines of a legend: entries side by side, as many as fit.
#[derive(Debug)]
pub struct Legend {
    /// Text, looks, and the place of its left edge.
    entries: Vec<(String, Look, f64, usize)>,
    rows: usize,
}

const SAMPLE: f64 = 34.0;

impl Legend {
    /// Lays out the entries.
    pub fn new(entries: impl IntoIterator<Item = (String, Look)>) -> Self {
        let right = f64::from(WIDTH) - MARGIN;
        let (mut x, mut row) = (MARGIN, 0);
        let mut placed = Vec::new();
        for (text, look) in entries {
            let text = LEGEND.fit(&text, right - MARGIN - SAMPLE - 8.0);
            let width = SAMPLE + 8.0 + LEGEND.width(&text);
            if x > MARGIN && x + width > right {
                x = MARGIN;
                row += 1;
            }
            placed.push((text, look, x, row));
            x += width + 26.0;
        }
        let rows = if placed.is_empty() { 0 } else { row + 1 };
        Legend { entries: placed, rows }
    }

    /// Points.
    pub fn height(&self) -> f64 {
        self.rows as f64 * 22.0
    }

    /// Draws it from `top` down.
    pub fn draw<DB: DrawingBackend>(&self, canvas: &mut Canvas<'_, DB>, top: f64) -> anyhow::Result<()> {
        for (text, look, x, row) in &self.entries {
            let y = top + 14.0 + *row as f64 * 22.0;
            canvas.styled_line(&[(*x, y - 4.5), (x + SAMPLE, y - 4.5)], 2.2, *look)?;
            canvas.marker((x + SAMPLE / 2.0, y - 4.5), *look)?;
            canvas.text(text, (x + SAMPLE + 8.0, y), Anchor::Start, LEGEND)?;
        }
        Ok(())
    }
}

/// A plot's frame in points.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: Scale,
    pub y: Scale,
}

impl Frame {
    /// Where a pair of values lies.
    pub fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )
    }

    /// Grid, ticks and the names of both axes.
    pub fn draw<DB: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, DB>,
        x_name: &str,
        y_name: &str,
    ) -> anyhow::Result<()> {
        for tick in self.y.ticks(6) {
            let (_, y) = self.place(0.0, tick);
            canvas.line(&[(self.left, y), (self.right, y)], 1.0, GRID_LINE)?;
            canvas.text(&tick_text(tick), (self.left - 8.0, y + 4.0), Anchor::End, TICK)?;
        }
        for tick in self.x.ticks(8) {
            let (x, _) = self.place(tick, 0.0);
            canvas.line(&[(x, self.top), (x, self.bottom)], 1.0, GRID_LINE)?;
            canvas.text(&tick_text(tick), (x, self.bottom + 17.0), Anchor::Middle, TICK)?;
        }
        canvas.line(&[(self.left, self.bottom), (self.right, self.bottom)], 1.2, AXIS_LINE)?;
        canvas.line(&[(self.left, self.top), (self.left, self.bottom)], 1.2, AXIS_LINE)?;
        let name = Lettering::new(13.0, INK);
        canvas.text(y_name, (MARGIN, self.top - 12.0), Anchor::Start, name)?;
        canvas.text(x_name, ((self.left + self.right) / 2.0, self.bottom + 40.0), Anchor::Middle, name)
    }
}
