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

/// Pixels that are compared at once: most of a picture is one colour.
const BLOCK: usize = 64;
/// A run of so many goes on, as a rule.
const LONG: usize = 8;
/// Colours that are found without a hash of their own.
const RECENT: usize = 1024;

/// Takes at most 256 colours of pixels (`0xRRGGBB`), the frequent ones first; what is left out, shades at the edges of
/// things, becomes the nearest of them, and the least difference between two of them is the smallest that leaves so few.
pub fn indexed(rgb: &[u32]) -> Indexed {
    let (colours, runs) = runs(rgb);
    let mut by_frequency: Vec<usize> = (0..colours.len()).collect();
    by_frequency.sort_by_key(|place| {
        let (colour, count) = colours[*place];
        (std::cmp::Reverse(count), colour)
    });
    let channels: Vec<[u8; 3]> = by_frequency.iter().map(|place| of_channels(colours[*place].0)).collect();
    let palette = palette(&channels);
    let mut places = vec![0; colours.len()];
    for (place, channels) in by_frequency.into_iter().zip(&channels) {
        places[place] = nearest(&palette, *channels);
    }
    let mut pixels = Vec::with_capacity(rgb.len());
    for (colour, length) in runs {
        pixels.resize(pixels.len() + length, places[colour]);
    }
    Indexed { pixels, palette: palette.concat() }
}

/// A colour and how many pixels have it.
type Counted = (u32, u64);
/// The place of a colour among the counted ones, and for how many pixels it goes on.
type Run = (usize, usize);

/// The colours, white first, and the runs of one colour.
fn runs(rgb: &[u32]) -> (Vec<Counted>, Vec<Run>) {
    const WHITE: u32 = 0x00FF_FFFF;
    let mut colours = vec![(WHITE, 0)];
    let mut known = HashMap::from([(WHITE, 0)]);
    let mut recent = vec![(WHITE, 0); RECENT];
    let (mut runs, mut block, mut at) = (Vec::new(), [WHITE; BLOCK], 0);
    while at < rgb.len() {
        let colour = rgb[at];
        let end = end_of_run(rgb, at, &mut block);
        // The upper ten bits of a product with an odd number spread the colours.
        let slot = &mut recent[(colour.wrapping_mul(0x9E37_79B1) >> 22) as usize];
        if slot.0 != colour {
            let place = *known.entry(colour).or_insert(colours.len());
            if place == colours.len() {
                colours.push((colour, 0));
            }
            *slot = (colour, place);
        }
        let place = slot.1;
        colours[place].1 += (end - at) as u64;
        runs.push((place, end - at));
        at = end;
    }
    (colours, runs)
}

/// The first pixel from `at` on of another colour. `block` is one of the colour asked for before.
fn end_of_run(rgb: &[u32], at: usize, block: &mut [u32; BLOCK]) -> usize {
    let colour = rgb[at];
    let mut end = at + 1;
    while end < rgb.len() && rgb[end] == colour {
        end += 1;
        if end == at + LONG {
            if block[0] != colour {
                *block = [colour; BLOCK];
            }
            while rgb.get(end..end + BLOCK) == Some(&block[..]) {
                end += BLOCK;
            }
        }
    }
    end
}

fn of_channels(rgb: u32) -> [u8; 3] {
    let [_, red, green, blue] = rgb.to_be_bytes();
    [red, green, blue]
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
    // Written out: it is asked a million times, by builds without optimisation too.
    let apart = [one[0].abs_diff(other[0]), one[1].abs_diff(other[1]), one[2].abs_diff(other[2])];
    let most = if apart[0] > apart[1] { apart[0] } else { apart[1] };
    if most > apart[2] { most } else { apart[2] }
}

fn nearest(palette: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let nearest = palette.iter().enumerate().min_by_key(|(_, other)| difference(**other, colour));
    nearest.map_or(0, |(place, _)| place as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(indexed: &Indexed) -> Vec<u32> {
        let colour = |place: &u8| {
            let [red, green, blue] = indexed.palette[usize::from(*place) * 3..][..3] else { panic!() };
            u32::from_be_bytes([0, red, green, blue])
        };
        indexed.pixels.iter().map(colour).collect()
    }

    #[test]
    fn a_picture_of_few_colours_stays_as_it_is() {
        // Stretches of one colour of every length around that of a block, and single pixels.
        let stretches = (0..200u32).flat_map(|length| vec![length << 16 | 0x0709; length as usize]);
        let singles = (0..600u32).map(|pixel| (pixel % 200) << 16 | 0x0709);
        let rgb: Vec<u32> = stretches.chain(singles).collect();
        assert_eq!(shown(&indexed(&rgb)), rgb);
        assert!(indexed(&[]).pixels.is_empty());
    }

    #[test]
    fn of_many_colours_the_frequent_ones_stay_and_no_other_moves_far() {
        let shades = (0..4_000u32).map(|shade| (shade % 250) << 16 | (shade / 20) << 8 | 120);
        let areas = (0..90_000u32).map(|pixel| if pixel % 3 == 0 { 0x00_72B2 } else { 0xFF_FFFF });
        let rgb: Vec<u32> = areas.chain(shades).collect();
        let indexed = indexed(&rgb);
        assert!(indexed.palette.len() / 3 <= MOST, "{}", indexed.palette.len());
        for (shown, pixel) in shown(&indexed).into_iter().zip(rgb) {
            let moved = difference(of_channels(shown), of_channels(pixel));
            assert!(moved <= if pixel & 0xFF == 120 { 32 } else { 0 }, "{pixel:x} became {shown:x}");
        }
    }
}
