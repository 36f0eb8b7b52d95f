//! Numbers, times and bars as text.

use std::time::Duration;

use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What is secondary.
pub const FAINT: Style = Style::new().fg(Color::DarkGray);
/// What is well.
pub const GOOD: Style = Style::new().fg(Color::Green);
/// What is under way.
pub const BUSY: Style = Style::new().fg(Color::Cyan);
/// What should be looked at.
pub const DOUBT: Style = Style::new().fg(Color::Yellow);
/// What went wrong.
pub const BAD: Style = Style::new().fg(Color::Red);

/// The text in exactly so many columns: cut with `…`, or filled up.
pub fn fit(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    let blanks = width.saturating_sub(cut.width());
    format!("{cut}{}", " ".repeat(blanks))
}

/// The text in at most so many columns.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        short.push(character);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// `left` at the left and `right` at the right end of so many columns; `right` only where both fit.
pub fn spread<'a>(mut left: Line<'a>, right: Line<'a>, width: u16) -> Line<'a> {
    let (used, more) = (left.width(), right.width());
    if used + more + 2 <= usize::from(width) {
        left.push_span(Span::raw(" ".repeat(usize::from(width) - used - more - 1)));
        left.spans.extend(right.spans);
    }
    left
}

/// A latency, ms: three digits or more.
pub fn ms(value: f64) -> String {
    match value {
        under if under < 9.995 => format!("{value:.2}"),
        under if under < 999.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A rate.
pub fn rate(value: f64) -> String {
    if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// A number, or a dash where there is none.
pub fn or_dash(value: Option<f64>, words: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), words)
}

/// `0:35`, `1:02:03`.
pub fn clock(since: Duration) -> String {
    crate::progress::clock_words(since)
}

/// Bytes in GiB, as GPUs are sold.
pub fn gib(bytes: f64) -> String {
    let gib = bytes / (1u64 << 30) as f64;
    if gib < 99.95 { format!("{gib:.1}") } else { format!("{gib:.0}") }
}

/// A bar of so many columns, filled from 0 to 1; an eighth of a column is seen.
pub fn bar(share: f64, width: usize, style: Style) -> Vec<Span<'static>> {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * width as f64 * 8.0).round() as usize;
    let (whole, part) = (eighths / 8, EIGHTHS.get(eighths % 8).copied().unwrap_or_default());
    let full = format!("{}{part}", "█".repeat(whole));
    let rest = width.saturating_sub(whole + usize::from(!part.is_empty()));
    vec![Span::styled(full, style), Span::styled("·".repeat(rest), FAINT)]
}
