//! Pixels with three bytes → pixels with one and a list of colours: a picture of lines and letters takes a quarter.

use std::collections::HashMap;

/// Colours that a byte can name.
const MOST: usize = 256;
/// So many of the most frequent ones stay as they are: areas, lines, letters.
const EXACT: usize = 96;

/// A picture whose pixels are places in a list.
pub struct Indexed {
    /// Three bytes a colour.
    pub palette: Vec<u8>,
    /// One byte a pixel, row by row.
    pub pixels: Vec<u8>,
}

/// Takes at most 256 colours, the frequent ones first; what is left out, shades at the edges of things, becomes the
/// nearest of them, and the least difference between two of them is the smallest that leaves so few.
pub fn indexed(rgb: &[u8]) -> Indexed {
    let mut counts: HashMap<[u8; 3], u64> = HashMap::new();
    let mut run: ([u8; 3], u64) = ([255; 3], 0);
    for pixel in pixels(rgb) {
        if pixel != run.0 {
            *counts.entry(run.0).or_default() += run.1;
            run = (pixel, 0);
        }
        run.1 += 1;
    }
    *counts.entry(run.0).or_default() += run.1;
    let mut colours: Vec<([u8; 3], u64)> = counts.into_iter().collect();
    colours.sort_by(|one, other| (other.1, one.0).cmp(&(one.1, other.0)));
    let colours: Vec<[u8; 3]> = colours.into_iter().map(|(colour, _)| colour).collect();
    let palette = palette(&colours);
    let places: HashMap<[u8; 3], u8> =
        colours.iter().map(|colour| (*colour, nearest(&palette, *colour))).collect();
    let mut last = ([255; 3], places.get(&[255; 3]).copied().unwrap_or(0));
    let place = |pixel: [u8; 3]| {
        if pixel != last.0 {
            last = (pixel, places.get(&pixel).copied().unwrap_or(0));
        }
        last.1
    };
    Indexed { pixels: pixels(rgb).map(place).collect(), palette: palette.concat() }
}

fn pixels(rgb: &[u8]) -> impl Iterator<Item = [u8; 3]> + '_ {
    rgb.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]])
}

/// Of colours by their frequency.
fn palette(colours: &[[u8; 3]]) -> Vec<[u8; 3]> {
    let mut apart = 0;
    loop {
        let mut taken: Vec<[u8; 3]> = Vec::new();
        for (place, colour) in colours.iter().enumerate() {
            if place < EXACT || taken.iter().all(|other| difference(*other, *colour) > apart) {
                taken.push(*colour);
            }
            if taken.len() > MOST {
                break;
            }
        }
        if taken.len() <= MOST {
            return taken;
        }
        apart += 1 + apart / 4;
    }
}

/// The greatest of the three channels.
fn difference(one: [u8; 3], other: [u8; 3]) -> u8 {
    one.into_iter().zip(other).map(|(one, other)| one.abs_diff(other)).max().unwrap_or(0)
}

fn nearest(palette: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let nearest = palette.iter().enumerate().min_by_key(|(_, other)| difference(**other, colour));
    nearest.map_or(0, |(place, _)| place as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_few_colours_stays_as_it_is() {
        let rgb: Vec<u8> = (0..600u32).flat_map(|pixel| [(pixel % 200) as u8, 7, 9]).collect();
        let Indexed { palette, pixels } = indexed(&rgb);
        let back: Vec<u8> =
            pixels.iter().flat_map(|place| palette[usize::from(*place) * 3..][..3].to_vec()).collect();
        assert_eq!(back, rgb);
    }

    #[test]
    fn of_many_colours_the_frequent_ones_stay_and_no_other_moves_far() {
        let shades = (0..4_000u32).map(|shade| [(shade % 250) as u8, (shade / 20) as u8, 120]);
        let areas = (0..90_000u32).map(|pixel| if pixel % 3 == 0 { [0, 114, 178] } else { [255, 255, 255] });
        let rgb: Vec<u8> = areas.chain(shades).flatten().collect();
        let Indexed { palette, pixels } = indexed(&rgb);
        assert!(palette.len() / 3 <= MOST, "{}", palette.len());
        for (place, pixel) in pixels.iter().zip(super::pixels(&rgb)) {
            let shown = &palette[usize::from(*place) * 3..][..3];
            let moved = difference([shown[0], shown[1], shown[2]], pixel);
            assert!(moved <= if pixel[2] == 120 { 32 } else { 0 }, "{pixel:?} became {shown:?}");
        }
    }
}
