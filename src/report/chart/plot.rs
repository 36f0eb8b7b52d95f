//! A panel with two axes of numbers: their ticks and names, and between them the marks.

use super::frame::{Frame, NARROW, TICK};
use super::marks::draw_mark;
use super::scale::tick_text;
use super::scene::{Anchor, SOFT, Scene};
use super::spec::{Mark, Panel};
use super::strips;
use super::text::Lettering;

/// Of a panel over half the picture or all of it, of a narrow one, and of one among others below each other, points.
const HEIGHT: f64 = 380.0;
const LOW_HEIGHT: f64 = 260.0;
const STACKED_HEIGHT: f64 = 124.0;
/// Names of the axes and their ticks, above and below the plot, points.
const ABOVE: f64 = 38.0;
const BELOW: f64 = 50.0;
/// Below a plot without the numbers of its horizontal axis, points.
const BELOW_STACKED: f64 = 2.0;

/// What a panel shares with those above and below it.
#[derive(Debug, Clone, Copy)]
pub struct Stacked {
    /// Of the widest numbers beside one of them.
    ticks: f64,
    /// The lowest one names the axis of all.
    is_last: bool,
}

impl Stacked {
    /// For one of these panels.
    pub fn among(panels: &[Panel], place: usize) -> Stacked {
        let ticks = panels.iter().map(|panel| tick_width(panel, STACKED_TICKS)).fold(0.0, f64::max);
        Stacked { ticks, is_last: place + 1 == panels.len() }
    }
}

/// Ticks of the upright axis, about.
const TICKS: usize = 6;
const STACKED_TICKS: usize = 4;

fn tick_width(panel: &Panel, wanted: usize) -> f64 {
    panel.y.ticks(wanted).into_iter().map(|tick| TICK.width(&tick_text(tick))).fold(0.0, f64::max)
}

/// Draws it between two edges from `top` down; returns where it ends.
pub fn draw(
    scene: &mut Scene,
    panel: &Panel,
    (left, right): (f64, f64),
    top: f64,
    stacked: Option<Stacked>,
) -> f64 {
    let height = match stacked {
        Some(_) => STACKED_HEIGHT,
        None if right - left < NARROW => LOW_HEIGHT,
        None => HEIGHT,
    };
    let wanted = if stacked.is_some() { STACKED_TICKS } else { TICKS };
    let widest = stacked.map_or_else(|| tick_width(panel, wanted), |stacked| stacked.ticks);
    let references = panel.y.references.iter().map(|mark| TICK.width(&mark.label) + 6.0).fold(16.0, f64::max);
    let strips = strips::height(&panel.marks);
    let frame = Frame {
        left: left + widest + 8.0,
        right: right - references,
        top: top + ABOVE + strips,
        bottom: top + ABOVE + strips + height,
        strips,
        names_x: stacked.is_none_or(|stacked| stacked.is_last),
        y_ticks: wanted,
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
    frame.bottom + if frame.names_x { BELOW } else { BELOW_STACKED }
}
