//! The drawing surface: texts, lines and markers in points, the same on a bitmap and in SVG.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, OutlinedGlyph, PxScale, point};
use anyhow::{Context, anyhow};
use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};

/// Grid points, as plotters counts them.
type Place = (i32, i32);

pub const WHITE: RGBColor = RGBColor(255, 255, 255);
pub const INK: RGBColor = RGBColor(32, 32, 32);
pub const SOFT: RGBColor = RGBColor(96, 96, 96);
pub const GRID_LINE: RGBColor = RGBColor(222, 222, 222);
pub const AXIS_LINE: RGBColor = RGBColor(140, 140, 140);

/// Okabe and Ito's palette without its yellow, which is too faint on white.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(64, 64, 64),
];

/// Dashes in points; an empty list is a solid line.
const DASHES: [&[f64]; 7] =
    [&[], &[9.0, 4.0], &[3.0, 3.0], &[12.0, 3.0, 3.0, 3.0], &[18.0, 5.0], &[6.0, 2.0], &[2.0, 5.0]];

static REGULAR_FILE: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");
static BOLD_FILE: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold.ttf");
static REGULAR: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(REGULAR_FILE).ok());
static BOLD: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(BOLD_FILE).ok());

/// The family as SVG names it: fonts of like width first. A bitmap takes the compiled-in one.
const FAMILY: &str = "DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif";

/// What is drawn on: letters are drawn by us on a bitmap and by the viewer of an SVG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    Bitmap,
    Svg,
}

/// Where a text's given x lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct Lettering {
    /// Points.
    pub size: f64,
    pub bold: bool,
    pub colour: RGBColor,
}

impl Lettering {
    pub const fn new(size: f64, colour: RGBColor) -> Self {
        Lettering { size, bold: false, colour }
    }

    pub const fn bold(size: f64, colour: RGBColor) -> Self {
        Lettering { size, bold: true, colour }
    }

    fn font(self) -> Option<&'static FontRef<'static>> {
        if self.bold { BOLD.as_ref() } else { REGULAR.as_ref() }
    }

    /// Width of a text, points.
    pub fn width(self, text: &str) -> f64 {
        let Some(font) = self.font() else { return text.chars().count() as f64 * self.size * 0.7 };
        text.chars().map(|letter| f64::from(advance(font, letter))).sum::<f64>() * self.size
    }

    /// The text, shortened in its middle to fit: the ends of labels are what tells them apart.
    pub fn fit(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let mut kept = letters.len();
        while kept > 1 {
            kept -= 1;
            let head: String = letters[..kept.div_ceil(2)].iter().collect();
            let tail: String = letters[letters.len() - kept / 2..].iter().collect();
            let short = format!("{head}…{tail}");
            if self.width(&short) <= width {
                return short;
            }
        }
        "…".to_owned()
    }

    /// The text broken into lines that fit; a word that is too long is cut.
    pub fn wrap(self, text: &str, width: f64) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_inclusive([' ', '-', '_', '/']) {
            if !line.is_empty() && self.width(&format!("{line}{}", word.trim_end())) > width {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            for letter in word.chars() {
                line.push(letter);
                if letter != ' ' && self.width(&line) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, letter.to_string()));
                }
            }
        }
        if !line.trim().is_empty() || lines.is_empty() {
            lines.push(line.trim_end().to_owned());
        }
        lines
    }
}

/// From one letter to the next, em.
fn advance(font: &FontRef<'_>, letter: char) -> f32 {
    font.h_advance_unscaled(font.glyph_id(letter)) / font.units_per_em().unwrap_or(2048.0)
}

/// Looks of one backend: colour, dashes and marker by its place in the order of play.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    place: usize,
}

impl Look {
    pub fn of(place: usize) -> Self {
        Look { place }
    }

    pub fn colour(self) -> RGBColor {
        PALETTE[self.place % PALETTE.len()]
    }

    /// The colour mixed with white.
    pub fn pale(self) -> RGBColor {
        let RGBColor(red, green, blue) = self.colour();
        let mix = |channel: u8| (f64::from(channel) * 0.42 + 255.0 * 0.58).round() as u8;
        RGBColor(mix(red), mix(green), mix(blue))
    }

    /// A number below `every` that differs between backends as far as it can.
    pub fn offset(self, every: usize) -> usize {
        (self.place * every / PALETTE.len() + every / 2) % every.max(1)
    }

    fn dashes(self) -> &'static [f64] {
        // Beyond the palette the colours come again, so the dashes move on.
        DASHES[(self.place + self.place / PALETTE.len()) % DASHES.len()]
    }
}

/// A surface with points as its unit, y downwards.
pub struct Canvas<'a, DB: DrawingBackend> {
    backend: &'a mut DB,
    surface: Surface,
    grid: f64,
}

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    pub fn new(backend: &'a mut DB, surface: Surface, grid: f64) -> Self {
        Canvas { backend, surface, grid }
    }

    fn at(&self, (x, y): (f64, f64)) -> Place {
        // `as` saturates, so no value can leave the range of a coordinate.
        ((x * self.grid).round() as i32, (y * self.grid).round() as i32)
    }

    fn stroke(&self, width: f64, colour: RGBColor) -> ShapeStyle {
        colour.stroke_width((width * self.grid).round().max(1.0) as u32)
    }

    /// A filled rectangle.
    pub fn rect(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> anyhow::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        self.backend.draw_rect(from, to, &colour.filled(), true).map_err(|error| anyhow!("{error}"))
    }

    /// A filled shape.
    pub fn polygon(&mut self, points: &[(f64, f64)], colour: RGBColor) -> anyhow::Result<()> {
        let points: Vec<Place> = points.iter().map(|point| self.at(*point)).collect();
        self.backend.fill_polygon(points, &colour.filled()).map_err(|error| anyhow!("{error}"))
    }

    /// A solid line through the points.
    pub fn line(&mut self, points: &[(f64, f64)], width: f64, colour: RGBColor) -> anyhow::Result<()> {
        let mut path: Vec<Place> = points.iter().map(|point| self.at(*point)).collect();
        path.dedup();
        if path.len() < 2 {
            return Ok(());
        }
        let style = self.stroke(width, colour);
        self.backend.draw_path(path, &style).map_err(|error| anyhow!("{error}"))
    }

    /// A backend's line in its colour and dashes.
    pub fn styled_line(&mut self, points: &[(f64, f64)], width: f64, look: Look) -> anyhow::Result<()> {
        for piece in dashed(points, look.dashes()) {
            self.line(&piece, width, look.colour())?;
        }
        Ok(())
    }

    /// A backend's marker.
    pub fn marker(&mut self, (x, y): (f64, f64), look: Look) -> anyhow::Result<()> {
        let radius = 4.5;
        let corners = |count: usize, turn: f64, size: f64| -> Vec<(f64, f64)> {
            let step = std::f64::consts::TAU / count as f64;
            (0..count)
                .map(|corner| (corner as f64 + turn) * step)
                .map(|angle| (x + size * radius * angle.sin(), y - size * radius * angle.cos()))
                .collect()
        };
        let shape = match look.place % PALETTE.len() {
            0 => corners(24, 0.0, 1.0),
            1 => corners(4, 0.5, 1.2),
            2 => corners(3, 0.0, 1.3),
            3 => corners(4, 0.0, 1.3),
            4 => corners(3, 0.5, 1.3),
            5 => corners(6, 0.0, 1.1),
            _ => corners(5, 0.0, 1.2),
        };
        self.polygon(&shape, look.colour())
    }

    /// A text with its base line at `y`.
    pub fn text(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        anchor: Anchor,
        look: Lettering,
    ) -> anyhow::Result<()> {
        let drawn = match self.surface {
            Surface::Bitmap => self.raster_text(text, (x, y), anchor, look),
            Surface::Svg => self.svg_text(text, (x, y), anchor, look),
        };
        drawn.with_context(|| format!("cannot write {text:?}"))
    }

    /// plotters writes the element: it divides the size by 1.24 and lowers the base line by 0.76 em.
    fn svg_text(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        anchor: Anchor,
        look: Lettering,
    ) -> anyhow::Result<()> {
        let h_pos = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FontFamily::from(FAMILY), look.size * self.grid * 1.24, style).into_font();
        let style = TextStyle::from(font).color(&look.colour).pos(Pos::new(h_pos, VPos::Top));
        let place = self.at((x, y - 0.76 * look.size));
        self.backend.draw_text(text, &style, place).map_err(|error| anyhow!("{error}"))
    }

    /// Letters drawn one by one: plotters would leave out the space on their left, so that they touch.
    fn raster_text(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        anchor: Anchor,
        look: Lettering,
    ) -> anyhow::Result<()> {
        let font = look.font().context("the compiled-in font cannot be read")?;
        let start = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - look.width(text) / 2.0,
            Anchor::End => x - look.width(text),
        };
        let em = (look.size * self.grid) as f32;
        let units = font.units_per_em().unwrap_or(2048.0);
        let scale = PxScale::from(em * font.height_unscaled() / units);
        let mut pen = point((start * self.grid) as f32, (y * self.grid) as f32);
        for letter in text.chars() {
            let glyph = font.glyph_id(letter).with_scale_and_position(scale, pen);
            if let Some(outline) = font.outline_glyph(glyph) {
                self.raster_glyph(&outline, look.colour)?;
            }
            pen.x += em * advance(font, letter);
        }
        Ok(())
    }

    fn raster_glyph(&mut self, outline: &OutlinedGlyph, colour: RGBColor) -> anyhow::Result<()> {
        let bounds = outline.px_bounds();
        let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
        let (width, height) = self.backend.get_size();
        let mut drawn = Ok(());
        outline.draw(|x, y, coverage| {
            let place = (left.saturating_add(x as i32), top.saturating_add(y as i32));
            let inside = (0..width as i32).contains(&place.0) && (0..height as i32).contains(&place.1);
            if inside && coverage > 0.0 && drawn.is_ok() {
                let colour = colour.mix(f64::from(coverage.min(1.0))).to_backend_color();
                drawn = self.backend.draw_pixel(place, colour);
            }
        });
        drawn.map_err(|error| anyhow!("{error}"))
    }
}

/// A line cut into the pieces that its dashes leave.
fn dashed(points: &[(f64, f64)], dashes: &[f64]) -> Vec<Vec<(f64, f64)>> {
    if dashes.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = Vec::new();
    let mut piece: Vec<(f64, f64)> = points.first().map(|first| vec![*first]).unwrap_or_default();
    let (mut index, mut left) = (0, dashes[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                piece.push(to);
                break;
            }
            from = (from.0 + (to.0 - from.0) * left / length, from.1 + (to.1 - from.1) * left / length);
            piece.push(from);
            if index % 2 == 0 {
                pieces.push(std::mem::take(&mut piece));
            }
            piece = vec![from];
            index = (index + 1) % dashes.len();
            left = dashes[index];
        }
    }
    if index % 2 == 0 {
        pieces.push(piece);
    }
    pieces
}
