//! A panel with two axes of numbers: their ticks and names, and between them the marks.

use super::frame::{Frame, NARROW, TICK};
use super::marks::draw_mark;
use super::scale::tick_text;
use super::scene::{Anchor, SOFT, Scene};
use super::spec::{Mark, Panel};
use super::text::Lettering;

/// Of a panel over half the picture or all of it, and of a narrow one, points.
const HEIGHT: f64 = 380.0;
const LOW_HEIGHT: f64 = 260.0;
/// Names of the axes and their ticks, above and below the plot, points.
const ABOVE: f64 = 38.0;
const BELOW: f64 = 50.0;

/// Draws it between two edges from `top` down; returns where it ends.
pub fn draw(scene: &mut Scene, panel: &Panel, (left, right): (f64, f64), top: f64) -> f64 {
    let height = if right - left < NARROW { LOW_HEIGHT } else { HEIGHT };
    let widest = panel.y.ticks(6).into_iter().map(|tick| TICK.width(&tick_text(tick))).fold(0.0, f64::max);
    let references = panel.y.references.iter().map(|mark| TICK.width(&mark.label) + 6.0).fold(16.0, f64::max);
    let frame = Frame {
        left: left + widest + 8.0,
        right: right - references,
        top: top + ABOVE,
        bottom: top + ABOVE + height,
        panel,
    };
    frame.draw_axes(scene, left);
    for mark in &panel.marks {
        draw_mark(&frame, scene, mark);
    }
    if panel.marks.iter().all(Mark::is_empty) {
        let middle = ((frame.left + frame.right) / 2.0, frame.top + height * 0.44);
        scene.text("no data", middle, Anchor::Middle, Lettering::new(18.0, SOFT));
    }
    frame.bottom + BELOW
}
