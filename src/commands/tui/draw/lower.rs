//! The server's log and the messages.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::frame::below_rule;
use super::view::View;
use super::words::{BAD, DOUBT, FAINT, clock, cut};
use crate::commands::tui::board::Board;

/// From so many rows on, log and messages both have room.
const BOTH: u16 = 6;

/// Draws them.
pub fn draw(buffer: &mut Buffer, area: Rect, board: &Board, view: &mut View, log: &[String]) {
    // A server that is not ours writes its log elsewhere.
    let logs = view.log && board.log.is_some();
    let (messages, logged) = match (logs, area.height) {
        (false, _) => (area, Rect::ZERO),
        (true, under) if under < BOTH => (Rect::ZERO, area),
        (true, height) => {
            let rows = |lines: usize| u16::try_from(lines + 1).unwrap_or(u16::MAX);
            // What the log does not need is the messages'.
            let most = (height / 3).max(height.saturating_sub(rows(log.len().max(1))));
            let high = rows(board.lines.len()).clamp(3, most.max(3));
            let (first, second) = (Rect { height: high, ..area }, height - high);
            (first, Rect { y: area.y + high, height: second, ..area })
        }
    };
    if !messages.is_empty() {
        let inner = below_rule(buffer, messages, 2, ("Messages", ""));
        let lines: Vec<Line<'_>> = board.lines.iter().map(|(at, line)| message(&clock(*at), line)).collect();
        // The log is what is scrolled where both are shown.
        let below = if logs { 0 } else { scrolled(view, inner, lines.len()) };
        text(buffer, inner, &lines, below);
    }
    if !logged.is_empty() {
        let name = board.log.as_ref().and_then(|log| log.file_name()).map(|name| name.to_string_lossy());
        let name = format!("Log {}", name.unwrap_or_default());
        let about = if view.scrolled() > 0 { "scrolled: End follows it again" } else { "" };
        let inner = below_rule(buffer, logged, 2, (name.trim_end(), about));
        let width = usize::from(inner.width).saturating_sub(1);
        let lines: Vec<Line<'_>> = log.iter().map(|line| Line::raw(cut(line, width))).collect();
        let below = scrolled(view, inner, lines.len());
        text(buffer, inner, &lines, below);
    }
}

fn scrolled(view: &mut View, area: Rect, all: usize) -> usize {
    view.drawn(usize::from(area.height), all);
    view.scrolled()
}

fn message(at: &str, line: &str) -> Line<'static> {
    let style = if line.starts_with("error:") {
        BAD
    } else if line.starts_with("warning:") || line.starts_with("interrupted:") || line.starts_with("hint:") {
        DOUBT
    } else {
        Style::new()
    };
    Line::from(vec![Span::styled(format!("{at:>6} "), FAINT), Span::styled(line.to_owned(), style)])
}

/// The last lines, but for so many.
fn text(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>], below: usize) {
    let end = lines.len().saturating_sub(below);
    let first = end.saturating_sub(usize::from(area.height));
    let shown = lines.get(first..end).unwrap_or_default();
    for (y, line) in (area.y..area.bottom()).zip(shown) {
        buffer.set_line(area.x + 1, y, line, area.width.saturating_sub(1));
    }
}
