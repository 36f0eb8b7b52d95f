//! Spec → scene: title, legend, panels and foot, one below the other; every text is measured and placed here, once.

use plotters::style::RGBColor;

use super::marks::FRONTIER_DASHES;
use super::plot::{self, Stacked};
use super::rows;
use super::scale::Scale;
use super::scene::{Anchor, INK, Look, SOFT, Scene, WIDTH};
use super::spec::{ChartSpec, Mark};
use super::text::Lettering;

/// Free space at the left and right edge, points.
const MARGIN: f64 = 28.0;
/// Between two panels side by side, points.
const GUTTER: f64 = 36.0;
/// Of a legend's sample, with the space behind it.
const SAMPLE: f64 = 42.0;
/// Lines that the notes may take.
const NOTE_LINES: usize = 4;
const TITLE: Lettering = Lettering::bold(20.0, INK);
const SUBTITLE: Lettering = Lettering::new(13.0, SOFT);
const LEGEND: Lettering = Lettering::new(13.0, INK);
const NOTE: Lettering = Lettering::new(11.5, SOFT);

/// Gives everything its place.
pub fn layout(spec: &ChartSpec) -> Scene {
    let mut scene = Scene::default();
    let top = head(&mut scene, spec);
    let top = legend(&mut scene, spec, top);
    let top = panels(&mut scene, spec, top);
    scene.height = foot(&mut scene, &spec.notes, top).ceil();
    scene
}

/// Lines of text from `top` down; returns where they end.
fn lines(scene: &mut Scene, lines: &[String], lettering: Lettering, top: f64) -> f64 {
    let step = (lettering.size * 1.4).round();
    for (index, line) in lines.iter().enumerate() {
        scene.text(line, (MARGIN, top + (index + 1) as f64 * step), Anchor::Start, lettering);
    }
    top + lines.len() as f64 * step
}

fn head(scene: &mut Scene, spec: &ChartSpec) -> f64 {
    let width = WIDTH - 2.0 * MARGIN;
    scene.text(&TITLE.fit(&spec.title, width), (MARGIN, 38.0), Anchor::Start, TITLE);
    lines(scene, &SUBTITLE.wrap(&spec.subtitle, width), SUBTITLE, 41.0) + 8.0
}

/// What a legend's entry shows beside its text.
#[derive(Clone, Copy, PartialEq)]
enum Sample {
    Line(Look),
    Swatch(RGBColor),
    Dots,
    Nothing,
}

/// Texts with their samples, each once, in the order of the marks.
fn entries(spec: &ChartSpec) -> Vec<(String, Sample)> {
    let mut entries: Vec<(String, Sample)> = Vec::new();
    for mark in spec.panels.iter().flat_map(|panel| &panel.marks) {
        let entry = match (mark, mark.series()) {
            (Mark::Frontier { name, .. }, _) => (name.clone(), Sample::Dots),
            // Its series has a line below it.
            (Mark::Phases { .. }, _) => continue,
            (Mark::Bars { name, pale, .. }, _) => {
                let colour = if *pale { Look::GREY.pale() } else { Look::GREY.colour() };
                (name.clone(), Sample::Swatch(colour))
            }
            (_, Some(series)) if series.detail.is_empty() => {
                (series.label.clone(), Sample::Line(Look(series.style)))
            }
            (_, Some(series)) => {
                (format!("{} ({})", series.label, series.detail), Sample::Line(Look(series.style)))
            }
            (_, None) => continue,
        };
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries.extend(spec.legend_note.iter().map(|note| (note.clone(), Sample::Nothing)));
    entries
}

/// Entries side by side, as many as fit.
fn legend(scene: &mut Scene, spec: &ChartSpec, top: f64) -> f64 {
    let right = WIDTH - MARGIN;
    let (mut x, mut base) = (MARGIN, top + 17.0);
    let entries = entries(spec);
    for (text, sample) in &entries {
        let sample_width = if *sample == Sample::Nothing { 0.0 } else { SAMPLE };
        let text = LEGEND.fit(text, right - MARGIN - sample_width);
        let width = sample_width + LEGEND.width(&text);
        if x > MARGIN && x + width > right {
            (x, base) = (MARGIN, base + 22.0);
        }
        let (from, to, middle) = (x, x + SAMPLE - 8.0, base - 4.5);
        match sample {
            Sample::Line(look) => {
                scene.line(&[(from, middle), (to, middle)], *look);
                scene.marker(((from + to) / 2.0, middle), *look);
            }
            Sample::Swatch(colour) => scene.rect((from, middle - 6.0), (to, middle + 6.0), *colour),
            Sample::Dots => scene.stroke(&[(from, middle), (to, middle)], FRONTIER_DASHES, 1.8, SOFT),
            Sample::Nothing => {}
        }
        scene.text(&text, (x + sample_width, base), Anchor::Start, LEGEND);
        x += width + 26.0;
    }
    if entries.is_empty() { top } else { base + 6.0 }
}

/// One panel over the whole width, or two in a line; three where that leaves no gap.
fn panels(scene: &mut Scene, spec: &ChartSpec, mut top: f64) -> f64 {
    let panels = &spec.panels;
    let columns = match panels.len() {
        ..=1 => 1,
        _ if spec.stacked => 1,
        3 | 6 => 3,
        _ => 2,
    };
    let width = (WIDTH - 2.0 * MARGIN - (columns - 1) as f64 * GUTTER) / columns as f64;
    for (number, line) in panels.chunks(columns).enumerate() {
        let stacked = spec.stacked.then(|| Stacked::among(panels, number));
        let mut bottom = top;
        for (index, panel) in line.iter().enumerate() {
            let left = MARGIN + index as f64 * (width + GUTTER);
            let across = (left, left + width);
            let end = match &panel.y.scale {
                Scale::Rows { rows } => rows::draw(scene, panel, rows, across, top),
                Scale::Linear { .. } | Scale::Log { .. } => plot::draw(scene, panel, across, top, stacked),
            };
            bottom = bottom.max(end);
        }
        top = bottom;
    }
    top
}

fn foot(scene: &mut Scene, notes: &[String], top: f64) -> f64 {
    if notes.is_empty() {
        return top + 12.0;
    }
    let text = format!("Mind: {}.", notes.join("; "));
    let mut wrapped = NOTE.wrap(&text, WIDTH - 2.0 * MARGIN);
    if wrapped.len() > NOTE_LINES {
        wrapped.truncate(NOTE_LINES);
        if let Some(last) = wrapped.last_mut() {
            *last = format!("{} …", NOTE.fit(last, WIDTH - 2.0 * MARGIN - 16.0));
        }
    }
    lines(scene, &wrapped, NOTE, top + 4.0) + 16.0
}
