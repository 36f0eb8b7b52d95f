//! A panel with two axes of numbers: lines, steps, points and bands.

use plotters::style::Color;

use super::scale::{Scale, tick_text};
use super::scene::{AXIS_LINE, Anchor, GRID_LINE, INK, Look, Place, SOFT, Scene};
use super::spec::{Axis, Mark, Panel};
use super::text::Lettering;
use crate::schema::figure::Better;

const HEIGHT: f64 = 380.0;
/// Names of the axes and their ticks, above and below the plot, points.
const ABOVE: f64 = 38.0;
const BELOW: f64 = 50.0;
/// Markers on one line, about.
const MARKERS: usize = 8;
/// Of a band and of the line of its middle.
const BAND_OPACITY: f64 = 0.18;
pub const TICK: Lettering = Lettering::new(11.5, SOFT);
const NAME: Lettering = Lettering::new(13.0, INK);
/// Least space between the numbers of an axis, points.
const TICK_SPACE: f64 = 8.0;

/// Draws it between two edges from `top` down; returns where it ends.
pub fn draw(scene: &mut Scene, panel: &Panel, (left, right): (f64, f64), top: f64) -> f64 {
    let widest =
        panel.y.scale.ticks(6).into_iter().map(|tick| TICK.width(&tick_text(tick))).fold(0.0, f64::max);
    let references = panel.y.references.iter().map(|mark| TICK.width(&mark.label) + 6.0).fold(16.0, f64::max);
    let frame = Frame {
        left: left + widest + 8.0,
        right: right - references,
        top: top + ABOVE,
        bottom: top + ABOVE + HEIGHT,
        panel,
    };
    frame.draw_axes(scene, left);
    for mark in &panel.marks {
        frame.draw_mark(scene, mark);
    }
    if panel.marks.iter().all(Mark::is_empty) {
        let middle = ((frame.left + frame.right) / 2.0, frame.top + HEIGHT * 0.44);
        scene.text("no data", middle, Anchor::Middle, Lettering::new(18.0, SOFT));
    }
    frame.bottom + BELOW
}

/// Draws the numbers along a horizontal axis, leaving out those that would touch.
pub fn x_ticks<Row>(
    scene: &mut Scene,
    scale: &Scale<Row>,
    wanted: usize,
    across: (f64, f64),
    down: (f64, f64),
) {
    let mut free = f64::NEG_INFINITY;
    for tick in scale.ticks(wanted) {
        let x = across.0 + scale.share(tick) * (across.1 - across.0);
        let text = tick_text(tick);
        let half = TICK.width(&text) / 2.0;
        scene.rule((x, down.0), (x, down.1), GRID_LINE);
        if x - half >= free {
            scene.text(&text, (x, down.1 + 16.0), Anchor::Middle, TICK);
            free = x + half + TICK_SPACE;
        }
    }
}

/// `TTFT (ms)`
pub fn name_and_unit(axis: &Axis) -> String {
    if axis.unit.is_empty() { axis.name.clone() } else { format!("{} ({})", axis.name, axis.unit) }
}

/// `TTFT (ms), logarithmic – lower is better`
fn words(axis: &Axis, lower: &str, higher: &str) -> String {
    let mut words = name_and_unit(axis);
    if !axis.detail.is_empty() {
        words += &format!(", {}", axis.detail);
    }
    if matches!(axis.scale, Scale::Log { .. }) {
        words += ", logarithmic";
    }
    match axis.better {
        Some(Better::Lower) => words + &format!(" – {lower} is better"),
        Some(Better::Higher) => words + &format!(" – {higher} is better"),
        None => words,
    }
}

struct Frame<'a> {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    panel: &'a Panel,
}

impl Frame<'_> {
    fn place(&self, (x, y): (f64, f64)) -> Place {
        (
            self.left + self.panel.x.scale.share(x) * (self.right - self.left),
            self.bottom - self.panel.y.scale.share(y) * (self.bottom - self.top),
        )
    }

    fn draw_axes(&self, scene: &mut Scene, edge: f64) {
        let Panel { x, y, .. } = self.panel;
        for tick in y.scale.ticks(6) {
            let (_, height) = self.place((0.0, tick));
            scene.rule((self.left, height), (self.right, height), GRID_LINE);
            scene.text(&tick_text(tick), (self.left - 8.0, height + 4.0), Anchor::End, TICK);
        }
        x_ticks(scene, &x.scale, 8, (self.left, self.right), (self.top, self.bottom));
        scene.rule((self.left, self.bottom), (self.right, self.bottom), AXIS_LINE);
        scene.rule((self.left, self.top), (self.left, self.bottom), AXIS_LINE);
        for reference in &y.references {
            let (_, height) = self.place((0.0, reference.at));
            scene.rule((self.left, height), (self.right, height), AXIS_LINE);
            scene.text(&reference.label, (self.right + 6.0, height + 4.0), Anchor::Start, TICK);
        }
        let name = NAME.fit(&words(y, "lower", "higher"), self.right - edge);
        scene.text(&name, (edge, self.top - 12.0), Anchor::Start, NAME);
        let name = NAME.fit(&words(x, "further left", "further right"), self.right - self.left);
        scene.text(&name, ((self.left + self.right) / 2.0, self.bottom + 40.0), Anchor::Middle, NAME);
    }

    fn places(&self, points: &[(f64, f64)]) -> Vec<Place> {
        points.iter().map(|point| self.place(*point)).collect()
    }

    fn draw_mark(&self, scene: &mut Scene, mark: &Mark) {
        match mark {
            Mark::Line { series, points } => {
                let places = self.places(points);
                scene.line(&places, Look(series.style));
                draw_markers(scene, &places, Look(series.style));
            }
            Mark::Steps { series, points } => {
                let before = [0.0].into_iter().chain(points.iter().map(|(_, y)| *y));
                let steps = points.iter().zip(before).flat_map(|((x, y), before)| [(*x, before), (*x, *y)]);
                scene.line(&self.places(&steps.collect::<Vec<_>>()), Look(series.style));
                draw_markers(scene, &self.places(points), Look(series.style));
            }
            Mark::Points { series, points } => {
                for place in self.places(points) {
                    scene.marker(place, Look(series.style));
                }
            }
            Mark::Band { series, points } => self.draw_band(scene, points, Look(series.style)),
            // Bars belong to rows; with two axes of numbers there is nothing that they could begin at.
            Mark::Bars { .. } => {}
        }
    }

    /// The area, and at each point the span that it was made of.
    fn draw_band(&self, scene: &mut Scene, points: &[(f64, f64, f64)], look: Look) {
        let high: Vec<Place> = points.iter().map(|(x, _, high)| self.place((*x, *high))).collect();
        let low: Vec<Place> = points.iter().map(|(x, low, _)| self.place((*x, *low))).collect();
        for (low, high) in low.iter().zip(&high) {
            let (from, to) = ((low.0 - 1.0, high.1), (low.0 + 1.0, low.1));
            scene.rect(from, to, look.pale());
        }
        if points.len() > 1 {
            let corners = high.into_iter().chain(low.into_iter().rev()).collect();
            scene.fill(corners, look.colour().mix(BAND_OPACITY));
        }
    }
}

fn draw_markers(scene: &mut Scene, places: &[Place], look: Look) {
    let every = places.len().div_ceil(MARKERS).max(1);
    // Each line begins its markers at another point, so that lines on each other still show theirs.
    let first = if places.len() > every { look.offset(every) } else { 0 };
    for place in places.iter().skip(first).step_by(every).chain(places.last()) {
        scene.marker(*place, look);
    }
}
