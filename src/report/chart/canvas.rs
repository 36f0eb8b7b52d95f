//! The drawing surface: texts, lines and markers in points, the same on a bitmap and in SVG.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef};
use anyhow::{Context, anyhow};
use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, register_font};

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
const DASHES: [&[f64]; 7] = [
    &[],
    &[9.0, 4.0],
    &[3.0, 3.0],
    &[12.0, 3.0, 3.0, 3.0],
    &[18.0, 5.0],
    &[6.0, 2.0],
    &[2.0, 5.0],
];

static REGULAR_FILE: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");
static BOLD_FILE: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold.ttf");
static REGULAR: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(REGULAR_FILE).ok());
static BOLD: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(BOLD_FILE).ok());

/// The family as SVG names it: fonts of like width first. The bitmap takes the compiled-in one by this name.
const FAMILY: &str = "DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif";

/// Makes the compiled-in font known to plotters; again does no harm.
pub fn register_fonts() -> anyhow::Result<()> {
    let unreadable = |_| anyhow!("the compiled-in font cannot be read");
    register_font(FAMILY, FontStyle::Normal, REGULAR_FILE).map_err(unreadable)?;
    register_font(FAMILY, FontStyle::Bold, BOLD_FILE).map_err(unreadable)
}

/// What is drawn on: plotters places text a little differently on each.
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

    /// Width of a text, points.
    pub fn width(self, text: &str) -> f64 {
        let font = if self.bold { &*BOLD } else { &*REGULAR };
        let Some(font) = font else { return text.chars().count() as f64 * self.size * 0.7 };
        let units = f64::from(font.units_per_em().unwrap_or(2048.0));
        let advance: f64 = text.chars().map(|c| f64::from(font.h_advance_unscaled(font.glyph_id(c)))).sum();
        advance / units * self.size
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
    pub fn text(&mut self, text: &str, (x, y): (f64, f64), anchor: Anchor, look: Lettering) -> anyhow::Result<()> {
        // plotters divides the size by 1.24 for SVG, takes it as ascent plus descent (1.164 em of this
        // font) for a bitmap, and has the base line at another height in each.
        let (to_plotters, base_line) = match self.surface {
            Surface::Bitmap => (1.164, 1.164 / 2.0),
            Surface::Svg => (1.24, 0.76),
        };
        let h_pos = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FontFamily::from(FAMILY), look.size * self.grid * to_plotters, style).into_font();
        let style = TextStyle::from(font).color(&look.colour).pos(Pos::new(h_pos, VPos::Top));
        let place = self.at((x, y - base_line * look.size));
        self.backend
            .draw_text(text, &style, place)
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("cannot write {text:?}"))
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
