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
    let whole = millionths.floor();
    let beyond = millionths - whole;
    // Where it is near a half, or large, the product may have been rounded to the other side.
    if !(0.0..1e12).contains(&millionths) || (0.499..0.501).contains(&beyond) {
        return line.extend_from_slice(number(value).as_bytes());
    }
    put_decimal(line, whole as u64 + u64::from(beyond > 0.5), 1_000_000);
}

/// Adds µs to a line, as ms.
pub(super) fn put_milliseconds(line: &mut Vec<u8>, us: u64) {
    put_decimal(line, us, 1_000);
}

/// Adds a number of so many parts of a whole, without trailing zeros.
fn put_decimal(line: &mut Vec<u8>, parts: u64, of_whole: u64) {
    put_count(line, parts / of_whole);
    let mut rest = parts % of_whole;
    if rest == 0 {
        return;
    }
    line.push(b'.');
    let mut place = of_whole / 10;
    while rest > 0 {
        line.push(b'0' + (rest / place) as u8);
        rest %= place;
        place /= 10;
    }
}

/// Adds a count to a line.
pub(super) fn put_count(line: &mut Vec<u8>, count: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
}

/// Adds a text to a line: what would act is taken out of it, and where a reader would take a part of it for the end
/// of the cell it stands in quotes.
pub(super) fn put_text(line: &mut Vec<u8>, text: &str) {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':');
    if text.as_bytes().first().is_none_or(u8::is_ascii_alphanumeric) && text.bytes().all(is_word) {
        return line.extend_from_slice(text.as_bytes());
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
