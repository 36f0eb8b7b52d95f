//! How a value stands in a cell: numbers plain, times in UTC, empty where there is none.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use crate::schema::text::cell;

/// At most six decimals (a nanosecond in ms), and no trailing zeros.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Adds it to a line.
pub(super) fn put_number(line: &mut Vec<u8>, value: f64) {
    let millionths = value * 1e6;
    // Below the bound all of it fits, and the part behind the point is cut off.
    let whole = millionths as u64;
    let beyond = millionths - whole as f64;
    // Where it is near a half, or large, the product may have been rounded to the other side.
    if !(0.0..1e12).contains(&millionths) || (0.499..0.501).contains(&beyond) {
        return line.extend_from_slice(number(value).as_bytes());
    }
    let parts = whole + u64::from(beyond > 0.5);
    put_count(line, parts / 1_000_000);
    put_fraction::<6>(line, (parts % 1_000_000) as u32);
}

/// Adds µs to a line, as ms.
pub(super) fn put_milliseconds(line: &mut Vec<u8>, us: u64) {
    put_count(line, us / 1_000);
    put_fraction::<3>(line, (us % 1_000) as u32);
}

/// Adds what is behind the point, in so many digits, without trailing zeros.
#[inline]
fn put_fraction<const DIGITS: u32>(line: &mut Vec<u8>, rest: u32) {
    if rest == 0 {
        return;
    }
    line.push(b'.');
    let digits = eight_digits(rest) >> (64 - 8 * DIGITS);
    // Zeros at the end are the highest bytes.
    put_digits(line, digits, 8 - digits.leading_zeros() / 8);
}

/// Adds a count to a line.
#[inline]
pub(super) fn put_count(line: &mut Vec<u8>, count: u64) {
    match u32::try_from(count) {
        Ok(0) => line.push(b'0'),
        Ok(small) if small < 100_000_000 => {
            let digits = eight_digits(small);
            // Zeros in front are the lowest bytes.
            let zeros = digits.trailing_zeros() / 8;
            put_digits(line, digits >> (8 * zeros), 8 - zeros);
        }
        Ok(_) | Err(_) => line.extend_from_slice(itoa::Buffer::new().format(count).as_bytes()),
    }
}

/// Adds the first of eight digits: eight bytes are written at once, and those behind are taken off again.
#[inline]
fn put_digits(line: &mut Vec<u8>, digits: u64, count: u32) {
    let length = line.len() + count as usize;
    line.extend_from_slice(&(digits + u64::from_le_bytes([b'0'; 8])).to_le_bytes());
    line.truncate(length);
}

/// The eight digits of a number below a hundred million, a byte each, the first the lowest: the number is cut into halves,
/// these into pairs and these into digits, each time all of them at once (Mula, "SSE: conversion integers to decimal
/// representation", in the bytes of one word).
#[inline]
fn eight_digits(number: u32) -> u64 {
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (halves - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - 10 * tens) << 8
}

/// Bytes that mean nothing to any reader of a cell.
const IS_OF_WORD: [bool; 256] = {
    let mut is = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let at = byte as u8;
        is[byte] = at.is_ascii_alphanumeric() || matches!(at, b'_' | b'-' | b'.' | b'/' | b':');
        byte += 1;
    }
    is
};

/// Adds a text that is a word.
#[inline]
pub(super) fn put_word(line: &mut Vec<u8>, word: &str) {
    line.extend_from_slice(word.as_bytes());
}

/// Adds a text to a line: what would act is taken out of it, and where a reader would take a part of it for the end
/// of the cell it stands in quotes.
pub(super) fn put_text(line: &mut Vec<u8>, text: &str) {
    let is_first = text.as_bytes().first().is_none_or(u8::is_ascii_alphanumeric);
    if is_first && text.bytes().all(|byte| IS_OF_WORD[usize::from(byte)]) {
        return put_word(line, text);
    }
    let text = cell(text);
    if !text.contains([',', '"', '\r', '\n']) {
        return line.extend_from_slice(text.as_bytes());
    }
    line.push(b'"');
    line.extend(text.bytes().flat_map(|byte| [byte].into_iter().chain((byte == b'"').then_some(byte))));
    line.push(b'"');
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// A count or a word.
pub(super) fn plain<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// RFC 3339 to the millisecond, UTC.
pub(super) fn time(at: Timestamp) -> String {
    let rounded = at.round(Unit::Millisecond).unwrap_or(at);
    rounded.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        put(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn eight_digits_are_those_of_the_number() {
        let numbers = (0..10_000).flat_map(|half| [half, half * 10_000 + 9_999 - half, half * 10_000]);
        for number in numbers.chain([99_999_999]) {
            let digits = eight_digits(number).to_le_bytes().map(|digit| char::from(b'0' + digit));
            assert_eq!(digits.iter().collect::<String>(), format!("{number:08}"));
        }
        for count in [0, 7, 10, 99_999_999, 100_000_000, u64::from(u32::MAX) + 1, u64::MAX] {
            assert_eq!(line(|line| put_count(line, count)), count.to_string());
        }
    }

    #[test]
    fn a_time_is_shown_to_the_microsecond_without_trailing_zeros() {
        let shown = |us| line(|line| put_milliseconds(line, us));
        assert_eq!([0, 7, 40, 1_000, 12_340].map(shown), ["0", "0.007", "0.04", "1", "12.34"]);
    }

    proptest! {
        #[test]
        fn a_number_in_a_line_is_the_number_of_any_other_cell(
            value in prop_oneof![any::<f64>(), 0.0..1e3, (0u64..1 << 40).prop_map(|us| us as f64 / 1e3),
                (0u64..1 << 30, 1u32..5_000).prop_map(|(us, n)| us as f64 / 1e3 / f64::from(n)),
                (0u64..1 << 30).prop_map(|halves| halves as f64 * 5e-7)]
        ) {
            prop_assert_eq!(line(|line| put_number(line, value)), number(value));
        }

        #[test]
        fn a_time_in_a_line_is_the_number_of_its_milliseconds(us in 0u64..1 << 41) {
            prop_assert_eq!(line(|line| put_milliseconds(line, us)), number(us as f64 / 1e3));
        }

        #[test]
        fn a_text_in_a_line_is_what_the_csv_writer_makes_of_it(
            text in prop_oneof!["[a-z0-9._:/-]{1,8}", "[=+@',\"\n\r -~]{1,6}", "\\PC{1,4}"]
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record([&*cell(&text), ""]).unwrap();
            let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(line(|line| put_text(line, &text)) + ",\n", written);
        }
    }
}
