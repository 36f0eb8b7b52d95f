//! What a series looks like, for a page that draws a spec by itself: the same as in the pictures.

use super::scene::Look;

/// Looks of the series at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Red, green and blue, on white.
    pub colour: [u8; 3],
    /// Lengths of dashes and gaps, points; empty: a solid line.
    pub dashes: &'static [f64],
    /// Which marker: 0 circle, 1 square, 2 triangle, 3 diamond, 4 triangle on its tip, 5 hexagon, 6 pentagon.
    pub marker: usize,
}

/// Looks by [`super::Series::style`].
pub fn style(place: usize) -> Style {
    let look = Look(place);
    let colour = look.colour();
    Style { colour: [colour.0, colour.1, colour.2], dashes: look.dashes(), marker: look.turn() }
}
