//! Shapes that have their places: all that is left is to paint them.

use plotters::style::{Color, RGBAColor, RGBColor, WHITE};

use super::text::Lettering;

/// Points, y downwards.
pub type Place = (f64, f64);

/// Width of every picture, points.
pub const WIDTH: f64 = 1000.0;

pub const INK: RGBColor = RGBColor(32, 32, 32);
pub const SOFT: RGBColor = RGBColor(96, 96, 96);
pub const GRID_LINE: RGBColor = RGBColor(222, 222, 222);
pub const AXIS_LINE: RGBColor = RGBColor(140, 140, 140);

/// Okabe and Ito's palette (*Color Universal Design*, 2008) without its yellow, with its orange and its sky blue a
/// little darker and a grey in place of black: a contrast of 3 or more on white and on near-black (WCAG 2.1, 1.4.11).
pub const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(192, 132, 0),
    RGBColor(59, 152, 212),
    RGBColor(117, 117, 117),
];

/// Dashes in points; an empty list is a solid line.
const DASHES: [&[f64]; 7] =
    [&[], &[9.0, 4.0], &[3.0, 3.0], &[12.0, 3.0, 3.0, 3.0], &[18.0, 5.0], &[6.0, 2.0], &[2.0, 5.0]];

/// Looks of one series: colour, dashes and marker by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look(pub usize);

impl Look {
    /// Of what stands for all series.
    pub const GREY: Look = Look(6);

    pub fn colour(self) -> RGBColor {
        PALETTE[self.0 % PALETTE.len()]
    }

    /// The colour mixed with white.
    pub fn pale(self) -> RGBColor {
        let RGBColor(red, green, blue) = self.colour();
        let mix = |channel: u8| (f64::from(channel) * 0.42 + 255.0 * 0.58).round() as u8;
        RGBColor(mix(red), mix(green), mix(blue))
    }

    /// A number below `every` that differs between series as far as it can.
    pub fn offset(self, every: usize) -> usize {
        (self.0 * every / PALETTE.len() + every / 2) % every.max(1)
    }

    /// Lengths of its dashes and gaps, points.
    pub fn dashes(self) -> &'static [f64] {
        DASHES[self.turn()]
    }

    /// Beyond the palette the colours come again, so dashes and markers move on.
    pub fn turn(self) -> usize {
        (self.0 + self.0 / PALETTE.len()) % DASHES.len()
    }
}

/// Where a text's given x lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// One thing to paint.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Fill { corners: Vec<Place>, colour: RGBAColor },
    Stroke { points: Vec<Place>, width: f64, colour: RGBColor },
    Text { text: String, at: Place, anchor: Anchor, lettering: Lettering },
}

/// A picture of [`WIDTH`] and `height`, the lowest shape first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scene {
    pub height: f64,
    pub shapes: Vec<Shape>,
}

/// To half a point, a pixel of the PNG: edges along the axes are sharp.
fn snapped((x, y): Place) -> Place {
    ((x * 2.0).round() / 2.0, (y * 2.0).round() / 2.0)
}

impl Scene {
    /// A text with its base line at `at`.
    pub fn text(&mut self, text: &str, at: Place, anchor: Anchor, lettering: Lettering) {
        self.shapes.push(Shape::Text { text: text.to_owned(), at, anchor, lettering });
    }

    /// A filled shape.
    pub fn fill(&mut self, corners: Vec<Place>, colour: RGBAColor) {
        self.shapes.push(Shape::Fill { corners, colour });
    }

    /// A filled rectangle.
    pub fn rect(&mut self, from: Place, to: Place, colour: RGBColor) {
        let (from, to) = (snapped(from), snapped(to));
        self.fill(vec![from, (to.0, from.1), to, (from.0, to.1)], colour.to_rgba());
    }

    /// A thin straight line along an axis.
    pub fn rule(&mut self, from: Place, to: Place, colour: RGBColor) {
        self.shapes.push(Shape::Stroke { points: vec![snapped(from), snapped(to)], width: 1.0, colour });
    }

    /// A series' line in its colour and dashes.
    pub fn line(&mut self, points: &[Place], look: Look) {
        self.stroke(points, look.dashes(), 2.2, look.colour());
    }

    /// A line in these dashes.
    pub fn stroke(&mut self, points: &[Place], dashes: &[f64], width: f64, colour: RGBColor) {
        for mut points in dashed(points, dashes) {
            points.dedup();
            if points.len() > 1 {
                self.shapes.push(Shape::Stroke { points, width, colour });
            }
        }
    }

    /// A series' marker.
    pub fn marker(&mut self, place: Place, look: Look) {
        self.marker_of(place, look, 1.0, look.colour());
    }

    /// Its outline alone.
    pub fn hollow_marker(&mut self, place: Place, look: Look) {
        self.marker_of(place, look, 1.25, look.colour());
        self.marker_of(place, look, 0.7, WHITE);
    }

    fn marker_of(&mut self, (x, y): Place, look: Look, scale: f64, colour: RGBColor) {
        let corners = |count: usize, turn: f64, size: f64| -> Vec<Place> {
            let step = std::f64::consts::TAU / count as f64;
            (0..count)
                .map(|corner| (corner as f64 + turn) * step)
                .map(|angle| (x + 4.5 * scale * size * angle.sin(), y - 4.5 * scale * size * angle.cos()))
                .collect()
        };
        let corners = match look.turn() {
            0 => corners(24, 0.0, 1.0),
            1 => corners(4, 0.5, 1.2),
            2 => corners(3, 0.0, 1.3),
            3 => corners(4, 0.0, 1.3),
            4 => corners(3, 0.5, 1.3),
            5 => corners(6, 0.0, 1.1),
            _ => corners(5, 0.0, 1.2),
        };
        self.fill(corners, colour.to_rgba());
    }

    /// A text where it lies on no other one and leaves no panel; true where it was placed.
    pub fn text_where_free(
        &mut self,
        text: &str,
        (at, anchor): (Place, Anchor),
        lettering: Lettering,
        (from, to): (Place, Place),
    ) -> bool {
        let own = TextBox::of(text, at, anchor, lettering);
        let inside = own.left >= from.0 && own.right <= to.0 && own.top >= from.1 && own.bottom <= to.1;
        let free =
            inside && !self.shapes.iter().filter_map(Shape::text_box).any(|other| own.overlaps(&other));
        if free {
            self.text(text, at, anchor, lettering);
        }
        free
    }
}

/// What a text covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextBox {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl TextBox {
    fn of(text: &str, (x, y): Place, anchor: Anchor, lettering: Lettering) -> Self {
        let width = lettering.width(text);
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        TextBox { left, right: left + width, top: y - 0.7 * lettering.size, bottom: y }
    }

    /// The two have a place in common.
    pub fn overlaps(&self, other: &TextBox) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

impl Shape {
    /// What it covers, if it is a text.
    pub fn text_box(&self) -> Option<TextBox> {
        match self {
            Shape::Text { text, at, anchor, lettering } => Some(TextBox::of(text, *at, *anchor, *lettering)),
            Shape::Fill { .. } | Shape::Stroke { .. } => None,
        }
    }
}

/// A line cut into the pieces that its dashes leave.
fn dashed(points: &[Place], dashes: &[f64]) -> Vec<Vec<Place>> {
    if dashes.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = Vec::new();
    let mut piece: Vec<Place> = points.first().copied().into_iter().collect();
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
