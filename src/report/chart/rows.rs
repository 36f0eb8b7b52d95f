//! A panel with a label a row: bars to the right, each with its number, or ranges below each other.

use super::frame::{name_and_unit, x_ticks};
use super::scale::Scale;
use super::scene::{AXIS_LINE, Anchor, GRID_LINE, INK, Look, SOFT, Scene};
use super::spec::{Mark, Panel, Series};
use super::text::Lettering;
use crate::report::number::compact;
use crate::schema::figure::Better;

/// Name of the metric above the rows, ticks below them, points.
const ABOVE: f64 = 42.0;
const BELOW: f64 = 38.0;
const BAR: f64 = 15.0;
/// From one range of a row to the next, points.
const RANGE: f64 = 13.0;
/// Half of a whisker's end, points.
const CAP: f64 = 3.5;
/// Between the bars of a row, points.
const GAP: f64 = 2.0;
const HEAD: Lettering = Lettering::bold(14.0, INK);
const LABEL: Lettering = Lettering::new(12.5, INK);
const NUMBER: Lettering = Lettering::new(12.0, INK);
const BEST: Lettering = Lettering::bold(12.0, INK);
const MISSING: Lettering = Lettering::new(12.0, SOFT);
const NO_DATA: &str = "no data";

/// Draws it between two edges from `top` down; returns where it ends.
pub fn draw(scene: &mut Scene, panel: &Panel, rows: &[Series], (left, right): (f64, f64), top: f64) -> f64 {
    draw_head(scene, panel, left, top + 30.0);
    let limit = ((right - left) * 0.34).floor();
    let labels: Vec<Vec<String>> = rows.iter().map(|row| LABEL.two_lines(&row.label, limit)).collect();
    let label_width = labels.iter().flatten().map(|line| LABEL.width(line)).fold(20.0, f64::max);
    let bars: Vec<Vec<Bar>> = (0..rows.len()).map(|row| bars_of(panel, row)).collect();
    let has_bars = bars.iter().any(|bars| !bars.is_empty());
    let number_width = bars.iter().flatten().map(|bar| BEST.width(&bar.text()));
    let number_width = if has_bars { number_width.fold(NUMBER.width(NO_DATA), f64::max) } else { 6.0 };

    let across = (left + label_width + 10.0, right - number_width - 10.0);
    let row_height = match (has_bars, rows.len()) {
        (false, _) => 16.0 + RANGE * panel.marks.len().max(1) as f64,
        (true, ..=2) => 58.0,
        (true, _) => 46.0,
    };
    let top = top + ABOVE;
    let bottom = top + rows.len().max(1) as f64 * row_height;
    x_ticks(scene, &panel.x, 4, across, (top, bottom));
    if rows.is_empty() {
        scene.text(NO_DATA, (across.0 + 8.0, (top + bottom) / 2.0), Anchor::Start, MISSING);
    }
    for (index, (row, label)) in rows.iter().zip(&labels).enumerate() {
        let middle = top + (index as f64 + 0.5) * row_height;
        let first = middle + 4.5 - (label.len() as f64 - 1.0) * 8.0;
        for (line, text) in label.iter().enumerate() {
            scene.text(text, (across.0 - 10.0, first + line as f64 * 16.0), Anchor::End, LABEL);
        }
        if has_bars {
            draw_row(scene, panel, &bars[index], Look(row.style), (across, middle));
        } else {
            draw_ranges(scene, panel, index, (across, middle));
        }
        if index > 0 && !has_bars {
            let between = middle - row_height / 2.0;
            scene.rule((left, between), (across.1, between), GRID_LINE);
        }
    }
    scene.rule((across.0, top), (across.0, bottom), AXIS_LINE);
    bottom + BELOW
}

fn draw_head(scene: &mut Scene, panel: &Panel, left: f64, base: f64) {
    let name = name_and_unit(&panel.x);
    scene.text(&name, (left, base), Anchor::Start, HEAD);
    let logarithmic = if matches!(panel.x.scale, Scale::Log { .. }) { "logarithmic, " } else { "" };
    let better = match panel.x.better {
        Some(Better::Lower) => format!("{logarithmic}lower is better"),
        Some(Better::Higher) => format!("{logarithmic}higher is better"),
        None => String::new(),
    };
    scene.text(&better, (left + HEAD.width(&name) + 10.0, base), Anchor::Start, MISSING);
}

struct Bar {
    value: Option<f64>,
    pale: bool,
    best: bool,
    whisker: Option<(f64, f64)>,
}

impl Bar {
    fn text(&self) -> String {
        let best = if self.best { " best" } else { "" };
        self.value.map_or_else(|| NO_DATA.to_owned(), |value| compact(value) + best)
    }

    fn lettering(&self) -> Lettering {
        match (self.value, self.best) {
            (None, _) => MISSING,
            (Some(_), true) => BEST,
            (Some(_), false) => NUMBER,
        }
    }
}

/// A row's bars from the top.
fn bars_of(panel: &Panel, row: usize) -> Vec<Bar> {
    let bar = |mark: &Mark| {
        let Mark::Bars { pale, values, best, whiskers, name: _ } = mark else { return None };
        Some(Bar {
            value: values.get(row).copied().flatten(),
            pale: *pale,
            best: *best == Some(row),
            whisker: whiskers.get(row).copied().flatten(),
        })
    };
    panel.marks.iter().filter_map(bar).collect()
}

fn draw_row(
    scene: &mut Scene,
    panel: &Panel,
    bars: &[Bar],
    look: Look,
    ((from, to), middle): ((f64, f64), f64),
) {
    if bars.iter().all(|bar| bar.value.is_none()) {
        return scene.text(NO_DATA, (from + 8.0, middle + 4.5), Anchor::Start, MISSING);
    }
    let thick = if bars.len() == 1 { BAR * 1.4 } else { BAR };
    let mut top = middle - (thick * bars.len() as f64 + GAP * (bars.len() as f64 - 1.0)) / 2.0;
    for bar in bars {
        let mut end = from;
        if let Some(value) = bar.value {
            end = from + panel.x.scale.share(value) * (to - from);
            let colour = if bar.pale { look.pale() } else { look.colour() };
            scene.rect((from, top), (end.max(from + 1.0), top + thick), colour);
        }
        if let Some((low, high)) = bar.whisker {
            let at = |value: f64| from + panel.x.scale.share(value) * (to - from);
            draw_whisker(scene, (at(low), at(high)), top + thick / 2.0);
            end = end.max(at(high));
        }
        let base = top + thick / 2.0 + 4.3;
        scene.text(&bar.text(), (end + 6.0, base), Anchor::Start, bar.lettering());
        top += thick + GAP;
    }
}

fn draw_whisker(scene: &mut Scene, (low, high): (f64, f64), middle: f64) {
    if high - low < 1.0 {
        return;
    }
    scene.rule((low, middle), (high, middle), INK);
    for end in [low, high] {
        scene.rule((end, middle - CAP), (end, middle + CAP), INK);
    }
}

/// The ranges of one row, each series on its own height.
fn draw_ranges(scene: &mut Scene, panel: &Panel, row: usize, ((from, to), middle): ((f64, f64), f64)) {
    let height = |index: usize| middle + (index as f64 - (panel.marks.len() as f64 - 1.0) / 2.0) * RANGE;
    for (index, mark) in panel.marks.iter().enumerate() {
        let (Mark::Ranges { values, .. }, Some(series)) = (mark, mark.series()) else { continue };
        let Some((value, low, high)) = values.get(row).copied().flatten() else { continue };
        let at = |value: f64| (from + panel.x.scale.share(value) * (to - from), height(index));
        let look = Look(series.style);
        let ((left, y), (right, _)) = (at(low), at(high));
        scene.rect((left, y - 1.0), (right.max(left + 1.0), y + 1.0), look.colour());
        scene.marker(at(value), look);
    }
}
