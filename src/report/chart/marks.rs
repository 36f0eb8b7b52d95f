//! The marks between two axes of numbers.

use plotters::style::Color;

use super::frame::{Frame, TICK};
use super::scene::{Anchor, Look, Place, SOFT, Scene};
use super::spec::{Corner, Mark};
use super::strips;
use super::text::Lettering;

/// Markers on one line, about.
const MARKERS: usize = 8;
/// Of a band and of the line of its middle.
const BAND_OPACITY: f64 = 0.18;
const HISTOGRAM_OPACITY: f64 = 0.12;
/// More points than this make an area without a span at each of them.
const SPANS: usize = 40;
/// Half of a whisker's end, points.
const CAP: f64 = 3.5;
pub const FRONTIER_DASHES: &[f64] = &[2.0, 4.0];
const IDEAL: Lettering = Lettering::new(12.0, SOFT);

/// Draws one mark.
pub fn draw_mark(frame: &Frame<'_>, scene: &mut Scene, mark: &Mark) {
    match mark {
        Mark::Line { series, points } => {
            let places = frame.places(points);
            scene.line(&places, Look(series.style));
            draw_markers(scene, &places, Look(series.style));
        }
        Mark::Steps { series, points } => {
            let before = [0.0].into_iter().chain(points.iter().map(|(_, y)| *y));
            let steps = points.iter().zip(before).flat_map(|((x, y), before)| [(*x, before), (*x, *y)]);
            scene.line(&frame.places(&steps.collect::<Vec<_>>()), Look(series.style));
            draw_markers(scene, &frame.places(points), Look(series.style));
        }
        Mark::Points { series, points, names, hollow } => {
            let places = frame.places(points);
            let draw = if *hollow { Scene::hollow_marker } else { Scene::marker };
            places.iter().for_each(|place| draw(scene, *place, Look(series.style)));
            for (place, name) in places.iter().zip(names) {
                draw_name(frame, scene, name, *place);
            }
        }
        Mark::Band { series, points } => draw_band(frame, scene, points, Look(series.style)),
        Mark::Whiskers { series, points } => {
            for point in points {
                draw_cross(frame, scene, *point, Look(series.style));
            }
        }
        Mark::Histogram { series, bins } => draw_histogram(frame, scene, bins, Look(series.style)),
        Mark::Frontier { points, ideal, name: _ } => draw_frontier(frame, scene, points, *ideal),
        Mark::Phases { series, spans, named } => strips::draw(frame, scene, (series, spans, *named)),
        // These belong to rows; with two axes of numbers there is nothing that they could begin at.
        Mark::Bars { .. } | Mark::Ranges { .. } => {}
    }
}

/// A name beside a marker, on the first side that is free; nowhere where none is.
fn draw_name(frame: &Frame<'_>, scene: &mut Scene, name: &str, (x, y): Place) {
    let sides = [
        ((x + 8.0, y - 5.0), Anchor::Start),
        ((x - 8.0, y - 5.0), Anchor::End),
        ((x + 8.0, y + 13.0), Anchor::Start),
        ((x - 8.0, y + 13.0), Anchor::End),
        ((x, y - 10.0), Anchor::Middle),
        ((x, y + 18.0), Anchor::Middle),
    ];
    let edges = ((frame.left + 2.0, frame.top), (frame.right + 12.0, frame.bottom - 1.0));
    for side in sides {
        if scene.text_where_free(name, side, TICK, edges) {
            return;
        }
    }
}

/// The area, and of few points the span that each was made of.
fn draw_band(frame: &Frame<'_>, scene: &mut Scene, points: &[(f64, f64, f64)], look: Look) {
    let high: Vec<Place> = points.iter().map(|(x, _, high)| frame.place((*x, *high))).collect();
    let low: Vec<Place> = points.iter().map(|(x, low, _)| frame.place((*x, *low))).collect();
    if points.len() <= SPANS {
        for (low, high) in low.iter().zip(&high) {
            scene.rect((low.0 - 1.0, high.1), (low.0 + 1.0, low.1), look.pale());
        }
    }
    if points.len() > 1 {
        let corners = high.into_iter().chain(low.into_iter().rev()).collect();
        scene.fill(corners, look.colour().mix(BAND_OPACITY));
    }
}

/// A whisker along each axis whose ends lie apart.
fn draw_cross(
    frame: &Frame<'_>,
    scene: &mut Scene,
    (x, x_low, x_high, y, y_low, y_high): (f64, f64, f64, f64, f64, f64),
    look: Look,
) {
    let colour = look.colour();
    let (left, right) = (frame.place((x_low, y)), frame.place((x_high, y)));
    if right.0 - left.0 >= 1.0 {
        scene.rule(left, right, colour);
        for end in [left, right] {
            scene.rule((end.0, end.1 - CAP), (end.0, end.1 + CAP), colour);
        }
    }
    let (low, high) = (frame.place((x, y_low)), frame.place((x, y_high)));
    if low.1 - high.1 >= 1.0 {
        scene.rule(low, high, colour);
        for end in [low, high] {
            scene.rule((end.0 - CAP, end.1), (end.0 + CAP, end.1), colour);
        }
    }
}

fn draw_histogram(frame: &Frame<'_>, scene: &mut Scene, bins: &[(f64, f64, f64)], look: Look) {
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return };
    let tops = bins.iter().flat_map(|(from, to, share)| [(*from, *share), (*to, *share)]);
    let outline: Vec<(f64, f64)> = [(first.0, 0.0)].into_iter().chain(tops).chain([(last.1, 0.0)]).collect();
    let places = frame.places(&outline);
    scene.fill(places.clone(), look.colour().mix(HISTOGRAM_OPACITY));
    scene.line(&places, look);
}

/// From point to point: what one of them reaches, until the next reaches more. The corner's word is an arrow to it.
fn draw_frontier(frame: &Frame<'_>, scene: &mut Scene, points: &[(f64, f64)], ideal: Corner) {
    let mut stair: Vec<Place> = Vec::new();
    for place in frame.places(points) {
        if let Some(before) = stair.last().copied() {
            stair.push(match ideal {
                Corner::TopLeft | Corner::BottomLeft => (place.0, before.1),
                Corner::TopRight | Corner::BottomRight => (before.0, place.1),
            });
        }
        stair.push(place);
    }
    // Beyond its ends the frontier goes on to the edges: what one end point beats in one axis alone.
    if let (Some(first), Some(last)) = (stair.first().copied(), stair.last().copied()) {
        let (before, after) = match ideal {
            Corner::TopLeft => ((first.0, frame.bottom), (frame.right, last.1)),
            Corner::BottomLeft => ((first.0, frame.top), (frame.right, last.1)),
            Corner::TopRight => ((frame.left, first.1), (last.0, frame.bottom)),
            Corner::BottomRight => ((frame.left, first.1), (last.0, frame.top)),
        };
        stair.insert(0, before);
        stair.push(after);
    }
    scene.stroke(&stair, FRONTIER_DASHES, 1.8, SOFT);
    let (left, right) = (frame.left + 8.0, frame.right - 8.0);
    let (top, bottom) = (frame.top + 17.0, frame.bottom - 9.0);
    match ideal {
        Corner::TopLeft => scene.text("↖ ideal", (left, top), Anchor::Start, IDEAL),
        Corner::TopRight => scene.text("ideal ↗", (right, top), Anchor::End, IDEAL),
        Corner::BottomLeft => scene.text("↙ ideal", (left, bottom), Anchor::Start, IDEAL),
        Corner::BottomRight => scene.text("ideal ↘", (right, bottom), Anchor::End, IDEAL),
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
