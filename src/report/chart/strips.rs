//! Strips above a plot that say which phase each run was in.

use plotters::style::Color;

use super::frame::Frame;
use super::scene::{Anchor, INK, Look, Place, Scene};
use super::spec::{Mark, Series, Span};
use super::text::Lettering;
use crate::report::number::compact;
use crate::schema::phases::Phase;

/// Of one with words and of one without, points.
const NAMED: f64 = 15.0;
const PLAIN: f64 = 5.0;
/// Between two of them, points.
const GAP: f64 = 2.0;
const WORDS: Lettering = Lettering::new(10.0, INK);
/// Of what lies before and after the measured window.
const FAINT: f64 = 0.16;

fn height_of(named: bool) -> f64 {
    if named { NAMED } else { PLAIN }
}

/// Between the last one and the plot, points.
const BELOW: f64 = 4.0;

/// What all strips of a panel take above its plot, points.
pub fn height(marks: &[Mark]) -> f64 {
    let strips = height_above(marks);
    if strips > 0.0 { strips + BELOW } else { 0.0 }
}

/// Of the strips among these marks, points.
fn height_above(marks: &[Mark]) -> f64 {
    marks.iter().filter_map(Mark::strip).map(|named| height_of(named) + GAP).sum()
}

/// Draws one, below those of the marks before it.
pub fn draw(frame: &Frame<'_>, scene: &mut Scene, (series, spans, named): (&Series, &[Span], bool)) {
    let own = |mark: &&Mark| matches!(mark, Mark::Phases { series: other, .. } if other == series);
    let marks = &frame.panel.marks;
    let before = marks.iter().position(|mark| own(&mark)).unwrap_or(0);
    let top = frame.top - frame.strips + height_above(&marks[..before]);
    let look = Look(series.style);
    for span in spans {
        let (from, _) = frame.place((span.from, 0.0));
        let (to, _) = frame.place((span.to, 0.0));
        let corners = ((from, top), (to, top + height_of(named)));
        if to - from < 0.5 {
            continue;
        }
        match span.phase {
            Phase::Measured => scene.rect(corners.0, corners.1, look.pale()),
            Phase::WarmUp | Phase::Drain => faint(scene, corners, look),
            Phase::Launch => outline(scene, corners, look),
        }
        if named {
            let room = to - from - 6.0;
            let fitting = words(series, span).into_iter().find(|words| WORDS.width(words) <= room);
            let at = ((from + to) / 2.0, top + NAMED - 4.0);
            fitting.into_iter().for_each(|words| scene.text(&words, at, Anchor::Middle, WORDS));
        }
    }
}

/// What a span may be called, the longest first.
fn words(series: &Series, span: &Span) -> Vec<String> {
    let phase = span.phase.title();
    let seconds = compact(span.to - span.from);
    match span.phase {
        Phase::Measured => vec![
            format!("{}: {phase}, {seconds} s", series.label),
            format!("{}: {phase}", series.label),
            phase.to_owned(),
        ],
        Phase::Launch | Phase::WarmUp | Phase::Drain => vec![phase.to_owned()],
    }
}

fn faint(scene: &mut Scene, ((left, top), (right, bottom)): (Place, Place), look: Look) {
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
    scene.fill(corners, look.colour().mix(FAINT));
}

fn outline(scene: &mut Scene, ((left, top), (right, bottom)): (Place, Place), look: Look) {
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    for side in corners.windows(2) {
        scene.rule(side[0], side[1], look.pale());
    }
}
