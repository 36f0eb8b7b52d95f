//! How numbers and texts look: three significant digits, two decimals, widths and line breaks.

use unicode_width::UnicodeWidthStr;

use crate::schema::text::plain;

/// Stands for a value that does not exist.
pub const NONE: &str = "–";

/// Largest number that is written out in full.
const PLAIN_LIMIT: f64 = 1e9;

/// Three significant digits, thousands grouped: `0.0123`, `1.23`, `12.3`, `123`, `12,345`; [`NONE`] for
/// a value that is not finite.
pub fn compact(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.2e}");
    let exponent: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    match exponent {
        9.. | ..=-5 => scientific,
        2.. => grouped(value.round()),
        _ => format!("{value:.*}", (2 - exponent) as usize),
    }
}

/// Two decimals: `45.23`; [`NONE`] for a value that is not finite.
pub fn fixed(value: f64) -> String {
    if !value.is_finite() {
        NONE.to_owned()
    } else if value.abs() >= PLAIN_LIMIT {
        format!("{value:.2e}")
    } else {
        format!("{value:.2}")
    }
}

/// A count with its thousands grouped: `12,345`.
pub fn count(value: u64) -> String {
    group_digits(&value.to_string())
}

/// Bytes as GiB or MiB: `139 GiB`.
pub fn bytes(value: u64) -> String {
    const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
    let gib = value as f64 / GIB;
    if gib >= 1.0 { format!("{} GiB", compact(gib)) } else { format!("{} MiB", compact(gib * 1024.0)) }
}

fn grouped(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let sign = if whole < 0.0 { "-" } else { "" };
    format!("{sign}{}", group_digits(&digits))
}

fn group_digits(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One line without characters that act, so that a label or an error from outside cannot move the cursor.
pub fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `text` broken into lines of at most `width` columns: `first` before the first line, `rest` before the others.
/// A word that is longer than a line is cut.
pub fn wrap(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in one_line(text).split(' ') {
        // The width of letters depends on their neighbours, so whole lines are measured.
        if !empty && format!("{line} {word}").width() > width {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
        } else if !empty {
            line.push(' ');
        }
        empty = true;
        for letter in word.chars() {
            line.push(letter);
            if line.width() > width && !empty {
                line.pop();
                lines.push(std::mem::replace(&mut line, rest.to_owned()));
                line.push(letter);
            }
            empty = false;
        }
        empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_digits_are_shown_whatever_the_size() {
        let shown: Vec<String> = [
            0.0, 0.000012, 0.012345, 0.5, 1.234, 9.999, 12.34, 99.96, 123.4, 1234.0, 1234567.8, 2e12, -45.67,
        ]
        .into_iter()
        .map(compact)
        .collect();
        assert_eq!(
            shown.join(" "),
            "0 1.20e-5 0.0123 0.500 1.23 10.0 12.3 100 123 1,234 1,234,568 2.00e12 -45.7"
        );
    }

    #[test]
    fn a_value_that_is_not_a_number_is_a_dash() {
        assert_eq!(compact(f64::NAN), NONE);
        assert_eq!(fixed(f64::INFINITY), NONE);
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\r\nb\tc"), "a [2J b c");
    }

    #[test]
    fn a_long_word_is_cut_and_the_rest_is_indented() {
        assert_eq!(wrap("ab abcdefghij k", 6, "- ", "  "), ["- ab", "  abcd", "  efgh", "  ij k"]);
    }

    proptest! {
        #[test]
        fn no_wrapped_line_is_too_wide_and_no_letter_is_lost(text in "\\PC{0,80}", width in 8usize..60) {
            let lines = wrap(&text, width, "- ", "  ");
            for line in &lines {
                prop_assert!(line.width() <= width, "{line:?} is {} wide", line.width());
            }
            let kept: String = lines.iter().flat_map(|line| line[2..].chars()).filter(|c| !c.is_whitespace()).collect();
            let given: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(kept, given);
        }
    }
}
