//! Texts, measured by the compiled-in font: a machine without fonts makes the same picture.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, OutlinedGlyph, PxScale, point};
use plotters::style::RGBColor;

static REGULAR_FILE: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");
static BOLD_FILE: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold.ttf");
static REGULAR: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(REGULAR_FILE).ok());
static BOLD: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(BOLD_FILE).ok());

/// The family as SVG names it: the compiled-in one, then fonts of like width.
pub const FAMILY: &str = "DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif";

/// plotters' SVG divides a font's size by this to get the em, and puts the base line this share of an em below a
/// text's place; pixels are drawn by the same rule.
pub const SIZE_OF_EM: f64 = 1.24;
pub const BASE_LINE: f64 = 0.76;

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lettering {
    /// The em, points.
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

    /// Width of a text, in the unit of [`Lettering::size`].
    pub fn width(self, text: &str) -> f64 {
        let Some(font) = self.font() else { return text.chars().count() as f64 * self.size * 0.7 };
        text.chars().map(|letter| f64::from(advance(font, letter))).sum::<f64>() * self.size
    }

    /// The letters' shapes with the first one's origin at `(x, y)`; none where the font cannot be read.
    pub fn outlines(self, text: &str, (x, y): (f64, f64)) -> Option<Vec<OutlinedGlyph>> {
        let font = self.font()?;
        let em = self.size as f32;
        let scale = PxScale::from(em * font.height_unscaled() / font.units_per_em()?);
        let mut pen = point(x as f32, y as f32);
        let outlines = text.chars().filter_map(|letter| {
            let glyph = font.glyph_id(letter).with_scale_and_position(scale, pen);
            pen.x += em * advance(font, letter);
            font.outline_glyph(glyph)
        });
        Some(outlines.collect())
    }

    /// The text, shortened in its middle to fit: the ends of labels are what tells them apart.
    pub fn fit(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let short = |kept: usize| -> String {
            let head = &letters[..kept.div_ceil(2)];
            head.iter().chain(&['…']).chain(&letters[letters.len() - kept / 2..]).collect()
        };
        let fitting = (1..letters.len()).rev().map(short).find(|short| self.width(short) <= width);
        fitting.unwrap_or_else(|| "…".to_owned())
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

    /// The text in at most two lines that fit: the first as full as it gets, the rest shortened in its middle.
    pub fn two_lines(self, text: &str, width: f64) -> Vec<String> {
        let mut lines = self.wrap(text, width);
        if lines.len() > 2 {
            let rest: String = text.chars().skip(lines[0].chars().count()).collect();
            lines.truncate(1);
            lines.push(self.fit(rest.trim_start(), width));
        }
        lines
    }
}

/// From one letter to the next, em.
fn advance(font: &FontRef<'_>, letter: char) -> f32 {
    font.h_advance_unscaled(font.glyph_id(letter)) / font.units_per_em().unwrap_or(2048.0)
}
