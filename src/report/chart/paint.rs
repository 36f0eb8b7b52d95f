//! Scene → SVG and PNG: one function paints both, through plotters' drawing interface.

use anyhow::anyhow;
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, RGBColor, TextStyle};

use super::few_colours::indexed;
use super::pixels::Pixels;
use super::scene::{Anchor, Place, Scene, Shape, WIDTH};
use super::text::{BASE_LINE, FAMILY, Lettering, SIZE_OF_EM};

/// Pixels of the PNG a point.
pub const PNG_SCALE: u32 = 2;
/// plotters counts in whole numbers: this many a point.
const GRID: u32 = 4;

fn size(scene: &Scene, scale: u32) -> (u32, u32) {
    (WIDTH as u32 * scale, (scene.height.max(1.0) as u32).saturating_mul(scale))
}

/// An SVG file's text.
///
/// # Errors
/// When plotters fails.
pub fn svg(scene: &Scene) -> anyhow::Result<String> {
    let ((wide, high), (width, height)) = (size(scene, GRID), size(scene, 1));
    let mut svg = String::new();
    let mut backend = SVGBackend::with_string(&mut svg, (wide, high));
    let page = (wide as i32, high as i32);
    backend.draw_rect((0, 0), page, &RGBColor(255, 255, 255).filled(), true)?;
    paint(scene, backend)?;
    // The view box stays on the grid.
    let fine = format!("width=\"{wide}\" height=\"{high}\"");
    Ok(svg.replacen(&fine, &format!("width=\"{width}\" height=\"{height}\""), 1))
}

/// A PNG file's bytes.
///
/// # Errors
/// When the compiled-in font cannot be read, or the encoder fails.
pub fn png(scene: &Scene) -> anyhow::Result<Vec<u8>> {
    let (wide, high) = size(scene, PNG_SCALE);
    let mut pixels = Pixels::new((wide, high), GRID / PNG_SCALE);
    paint(scene, &mut pixels)?;
    let mut file = Vec::new();
    let few = indexed(pixels.rgb());
    let mut encoder = png::Encoder::new(&mut file, wide, high);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(few.palette);
    encoder.set_depth(png::BitDepth::Eight);
    // Places in a list are no amounts, of which a difference could be told.
    encoder.set_filter(png::FilterType::NoFilter);
    encoder.set_compression(png::Compression::Default);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&few.pixels)?;
    writer.finish()?;
    Ok(file)
}

fn paint<DB: DrawingBackend>(scene: &Scene, mut backend: DB) -> anyhow::Result<()> {
    for shape in &scene.shapes {
        let painted = match shape {
            Shape::Fill { corners, colour } => {
                backend.fill_polygon(corners.iter().copied().map(on_grid), &colour.filled())
            }
            Shape::Stroke { points, width, colour } => {
                let width = (width * f64::from(GRID)).round() as u32;
                backend.draw_path(points.iter().copied().map(on_grid), &colour.stroke_width(width))
            }
            Shape::Text { text, at, anchor, lettering } => {
                let above = (at.0, at.1 - BASE_LINE * lettering.size);
                backend.draw_text(text, &text_style(lettering, *anchor), on_grid(above))
            }
        };
        painted.map_err(|error| anyhow!("{error}"))?;
    }
    backend.present().map_err(|error| anyhow!("{error}"))
}

fn on_grid((x, y): Place) -> (i32, i32) {
    // `as` saturates, so no value can leave the range of a coordinate.
    ((x * f64::from(GRID)).round() as i32, (y * f64::from(GRID)).round() as i32)
}

fn text_style(lettering: &Lettering, anchor: Anchor) -> TextStyle<'_> {
    let side = match anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let style = if lettering.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = (FontFamily::from(FAMILY), lettering.size * f64::from(GRID) * SIZE_OF_EM, style).into_font();
    TextStyle::from(font).color(&lettering.colour).pos(Pos::new(side, VPos::Top))
}
