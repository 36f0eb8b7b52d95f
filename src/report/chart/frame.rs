//! The plot of a panel: where it lies, its axes with their ticks and names.

use super::scale::{Scale, tick_text};
use super::scene::{AXIS_LINE, Anchor, GRID_LINE, INK, Place, SOFT, Scene};
use super::spec::{Axis, Panel};
use super::text::Lettering;
use crate::schema::figure::Better;

/// A plot less wide than this has fewer ticks, points.
pub const NARROW: f64 = 350.0;
/// How numbers along an axis are written.
pub const TICK: Lettering = Lettering::new(11.5, SOFT);
const NAME: Lettering = Lettering::new(13.0, INK);
/// Least space between the numbers of an axis, points.
const TICK_SPACE: f64 = 8.0;

/// Draws the numbers along a horizontal axis, leaving out those that would touch.
pub fn x_ticks(scene: &mut Scene, axis: &Axis, wanted: usize, across: (f64, f64), down: (f64, f64)) {
    let mut free = f64::NEG_INFINITY;
    for tick in axis.ticks(wanted) {
        let x = across.0 + axis.scale.share(tick) * (across.1 - across.0);
        let text = tick_text(tick);
        let half = TICK.width(&text) / 2.0;
        scene.rule((x, down.0), (x, down.1), GRID_LINE);
        if x - half >= free {
            scene.text(&text, (x, down.1 + 16.0), Anchor::Middle, TICK);
            free = x + half + TICK_SPACE;
        }
    }
}

/// The lines at the numbers of a horizontal axis.
fn x_lines(scene: &mut Scene, axis: &Axis, wanted: usize, across: (f64, f64), down: (f64, f64)) {
    for tick in axis.ticks(wanted) {
        let x = across.0 + axis.scale.share(tick) * (across.1 - across.0);
        scene.rule((x, down.0), (x, down.1), GRID_LINE);
    }
}

/// `TTFT (ms)`
pub fn name_and_unit(axis: &Axis) -> String {
    if axis.unit.is_empty() { axis.name.clone() } else { format!("{} ({})", axis.name, axis.unit) }
}

/// `TTFT (ms), logarithmic – lower is better`, as much of it as there is room for.
fn words(axis: &Axis, lower: &str, higher: &str, width: f64) -> String {
    let name = name_and_unit(axis);
    let detail = if axis.detail.is_empty() { String::new() } else { format!(", {}", axis.detail) };
    let logarithmic = if matches!(axis.scale, Scale::Log { .. }) { ", logarithmic" } else { "" };
    let better = match axis.better {
        Some(Better::Lower) => format!(" – {lower} is better"),
        Some(Better::Higher) => format!(" – {higher} is better"),
        None => String::new(),
    };
    let shorter = [
        format!("{name}{detail}{logarithmic}{better}"),
        format!("{name}{logarithmic}{better}"),
        format!("{name}{detail}{logarithmic}"),
        format!("{name}{logarithmic}"),
    ];
    let fitting = shorter.into_iter().find(|words| NAME.width(words) <= width);
    fitting.unwrap_or_else(|| NAME.fit(&name, width))
}

/// Where a panel's plot lies.
pub struct Frame<'a> {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    /// Of the strips above it.
    pub strips: f64,
    /// It has the numbers and the name of its horizontal axis.
    pub names_x: bool,
    /// Numbers beside its upright axis, about.
    pub y_ticks: usize,
    pub panel: &'a Panel,
}

impl Frame<'_> {
    pub fn place(&self, (x, y): (f64, f64)) -> Place {
        (
            self.left + self.panel.x.scale.share(x) * (self.right - self.left),
            self.bottom - self.panel.y.scale.share(y) * (self.bottom - self.top),
        )
    }

    pub fn places(&self, points: &[(f64, f64)]) -> Vec<Place> {
        points.iter().map(|point| self.place(*point)).collect()
    }

    pub fn draw_axes(&self, scene: &mut Scene, edge: f64) {
        let Panel { x, y, .. } = self.panel;
        for tick in y.ticks(self.y_ticks) {
            let (_, height) = self.place((0.0, tick));
            scene.rule((self.left, height), (self.right, height), GRID_LINE);
            scene.text(&tick_text(tick), (self.left - 8.0, height + 4.0), Anchor::End, TICK);
        }
        let wanted = if self.right - self.left < NARROW { 5 } else { 8 };
        let (across, down) = ((self.left, self.right), (self.top, self.bottom));
        if self.names_x {
            x_ticks(scene, x, wanted, across, down);
            let name = words(x, "further left", "further right", self.right - self.left);
            let middle = (self.left + self.right) / 2.0;
            scene.text(&name, (middle, self.bottom + 40.0), Anchor::Middle, NAME);
        } else {
            x_lines(scene, x, wanted, across, down);
        }
        for reference in &x.references {
            let (place, _) = self.place((reference.at, 0.0));
            scene.rule((place, self.top - self.strips), (place, self.bottom), AXIS_LINE);
        }
        scene.rule((self.left, self.bottom), (self.right, self.bottom), AXIS_LINE);
        scene.rule((self.left, self.top), (self.left, self.bottom), AXIS_LINE);
        for reference in &y.references {
            let (_, height) = self.place((0.0, reference.at));
            scene.rule((self.left, height), (self.right, height), AXIS_LINE);
            scene.text(&reference.label, (self.right + 6.0, height + 4.0), Anchor::Start, TICK);
        }
        let name = words(y, "lower", "higher", self.right - edge);
        scene.text(&name, (edge, self.top - self.strips - 12.0), Anchor::Start, NAME);
    }
}
