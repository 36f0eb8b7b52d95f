//! plotters' drawing interface on pixels with smooth edges: what its SVG says, as a picture.
//! Its own bitmap smooths one side of a shape only and joins letters, so coverage is counted by the font's rasterizer.

use std::convert::Infallible;

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use plotters::style::RGBColor;
use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
};

use super::text::{BASE_LINE, Lettering, SIZE_OF_EM};

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// A corner is pointed up to this length, in line widths, as in SVG.
const MITER_LIMIT: f32 = 4.0;

/// A white picture to draw on.
pub struct Pixels {
    wide: usize,
    high: usize,
    /// Units of the drawing interface a pixel.
    grid: u32,
    /// Row by row, `0xRRGGBB`.
    rgb: Vec<u32>,
}

impl Pixels {
    pub fn new((wide, high): (u32, u32), grid: u32) -> Self {
        let (wide, high) = (wide as usize, high as usize);
        Pixels { wide, high, grid, rgb: vec![0x00FF_FFFF; wide * high] }
    }

    /// Row by row, `0xRRGGBB`.
    pub fn rgb(&self) -> &[u32] {
        &self.rgb
    }

    fn at(&self, (x, y): BackendCoord) -> Point {
        let grid = self.grid as f32;
        point((x as f32 / grid).clamp(0.0, self.wide as f32), (y as f32 / grid).clamp(0.0, self.high as f32))
    }

    fn blend(&mut self, (x, y): (i64, i64), coverage: f32, colour: BackendColor) {
        if x < 0 || x >= self.wide as i64 || y < 0 || y >= self.high as i64 {
            return;
        }
        let alpha = coverage.min(1.0) * colour.alpha as f32;
        let (red, green, blue) = colour.rgb;
        let pixel = &mut self.rgb[y as usize * self.wide + x as usize];
        if alpha >= 1.0 {
            *pixel = u32::from_be_bytes([0, red, green, blue]);
            return;
        }
        let [_, red_below, green_below, blue_below] = pixel.to_be_bytes();
        let mix = |below: u8, above: u8| {
            let (below, above) = (f32::from(below), f32::from(above));
            (below + (above - below) * alpha + 0.5) as u8
        };
        let mixed = [0, mix(red_below, red), mix(green_below, green), mix(blue_below, blue)];
        *pixel = u32::from_be_bytes(mixed);
    }

    /// Fills outlines that may lie on each other: what two of them cover is covered once.
    fn fill(&mut self, pieces: &[Vec<Point>], colour: BackendColor) {
        let corners = || pieces.iter().flatten();
        let low = corners().fold((f32::MAX, f32::MAX), |low, at| (low.0.min(at.x), low.1.min(at.y)));
        let high = corners().fold((0f32, 0f32), |high, at| (high.0.max(at.x), high.1.max(at.y)));
        let (left, top) = (low.0.floor().max(0.0), low.1.floor().max(0.0));
        if high.0 <= left || high.1 <= top {
            return;
        }
        let size = ((high.0 - left).ceil() as usize + 1, (high.1 - top).ceil() as usize + 1);
        let mut rasterizer = Rasterizer::new(size.0, size.1);
        for piece in pieces {
            let sides = piece.iter().zip(piece.iter().cycle().skip(1));
            // Areas add up only where all outlines turn the same way.
            let turns_back = sides.clone().map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f32>() < 0.0;
            for (from, to) in sides {
                let (from, to) = if turns_back { (to, from) } else { (from, to) };
                rasterizer.draw_line(point(from.x - left, from.y - top), point(to.x - left, to.y - top));
            }
        }
        rasterizer.for_each_pixel_2d(|x, y, coverage| {
            if coverage > 0.0 {
                self.blend((left as i64 + i64::from(x), top as i64 + i64::from(y)), coverage, colour);
            }
        });
    }
}

/// The outlines of a line's pieces and of its corners; `half` is half its width.
fn stroke(points: &[Point], half: f32) -> Vec<Vec<Point>> {
    let side = |from: Point, to: Point| {
        let length = (to.x - from.x).hypot(to.y - from.y);
        point((from.y - to.y) / length * half, (to.x - from.x) / length * half)
    };
    let mut pieces: Vec<Vec<Point>> = points
        .windows(2)
        .map(|pair| {
            let side = side(pair[0], pair[1]);
            vec![pair[0] + side, pair[1] + side, pair[1] - side, pair[0] - side]
        })
        .collect();
    for corner in points.windows(3) {
        let (before, after) = (side(corner[0], corner[1]), side(corner[1], corner[2]));
        // The gap opens on the side away from which the line turns.
        let turns_inwards = before.x * after.y - before.y * after.x > 0.0;
        let outwards = |side: Point| if turns_inwards { point(-side.x, -side.y) } else { side };
        let (before, after) = (outwards(before), outwards(after));
        let cosine = (before.x * after.x + before.y * after.y) / (half * half);
        let mut piece = vec![corner[1], corner[1] + before];
        if 2.0 / (1.0 + cosine) <= MITER_LIMIT * MITER_LIMIT {
            let (both, share) = (before + after, 1.0 / (1.0 + cosine));
            piece.push(corner[1] + point(both.x * share, both.y * share));
        }
        piece.push(corner[1] + after);
        pieces.push(piece);
    }
    pieces
}

impl DrawingBackend for &mut Pixels {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.wide as u32 * self.grid, self.high as u32 * self.grid)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)];
        let corners = corners.iter().map(|corner| self.at(*corner)).collect();
        self.fill(&[corners], colour);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let mut points: Vec<Point> = path.into_iter().map(|place| self.at(place)).collect();
        points.dedup();
        let half = style.stroke_width() as f32 / self.grid as f32 / 2.0;
        self.fill(&stroke(&points, half), style.color());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let corners = path.into_iter().map(|place| self.at(place)).collect();
        self.fill(&[corners], style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let grid = f64::from(self.grid);
        let em = style.size() / SIZE_OF_EM / grid;
        let bold = matches!(style.style(), FontStyle::Bold);
        let lettering = Lettering { size: em, bold, colour: RGBColor(0, 0, 0) };
        let share = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => 0.5,
            HPos::Right => 1.0,
        };
        let start = f64::from(x) / grid - share * lettering.width(text);
        let outlines = lettering.outlines(text, (start, f64::from(y) / grid + BASE_LINE * em));
        let outlines = outlines
            .ok_or_else(|| DrawingErrorKind::FontError("the compiled-in font cannot be read".into()))?;
        for outline in outlines {
            let corner = outline.px_bounds().min;
            outline.draw(|column, row, coverage| {
                let place = (corner.x as i64 + i64::from(column), corner.y as i64 + i64::from(row));
                self.blend(place, coverage, style.color());
            });
        }
        Ok(())
    }
}
