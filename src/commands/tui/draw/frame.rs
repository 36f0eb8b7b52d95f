//! Head, foot, rules and the help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::view::View;
use super::words::{BUSY, DOUBT, FAINT, clock, cut, fit, spread};
use crate::commands::tui::board::Board;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// What is compared, how far it is, how long it still takes.
pub fn title(buffer: &mut Buffer, area: Rect, board: &Board) {
    let (command, what) = board.title();
    let place = board.place();
    let room = usize::from(area.width).saturating_sub(place.chars().count() + command.len() + 13);
    let name = Line::from(vec![
        Span::styled(" harness ", BOLD.patch(BUSY)),
        Span::styled(command.to_owned(), BOLD),
        Span::raw(format!("  {}", cut(&what, room.max(12)))),
    ]);
    let first = spread(name, Line::styled(place, BOLD), area.width);
    buffer.set_line(area.x, area.y, &first, area.width);
    if area.height < 2 {
        return;
    }
    let round = board.round().map(|round| Span::raw(format!("{round} · ")));
    let mut times = vec![Span::raw(" ")];
    times.extend(round);
    times.push(Span::raw(format!("{} elapsed", clock(board.now))));
    times.extend(board.left().map(|left| Span::raw(format!(" · {left}"))));
    let stop = if board.stopping {
        Line::styled("stopping, and saving what was measured (q: at once)", DOUBT)
    } else {
        Line::default()
    };
    let second = spread(Line::from(times), stop, area.width);
    buffer.set_line(area.x, area.y + 1, &second, area.width);
}

/// The keys, and how much there is to doubt.
pub fn footer(buffer: &mut Buffer, area: Rect, board: &Board, view: &View) {
    let other = if view.log { "messages" } else { "log" };
    let keys = [("q", "stop"), ("l", other), ("↑↓", "scroll"), ("?", "keys")];
    let mut spans = Vec::new();
    for (key, does) in keys {
        spans.push(Span::styled(format!(" {key}"), BOLD.patch(BUSY)));
        spans.push(Span::styled(format!(" {does} "), FAINT));
    }
    let doubts = match board.doubts() {
        0 => Line::default(),
        1 => Line::styled("1 warning", DOUBT),
        several => Line::styled(format!("{several} warnings"), DOUBT),
    };
    buffer.set_line(area.x, area.y, &spread(Line::from(spans), doubts, area.width), area.width);
}

/// `── name ───────── about ──`
fn rule(buffer: &mut Buffer, area: Rect, name: &str, about: &str) {
    let width = usize::from(area.width);
    let line = "─".repeat(width);
    buffer.set_stringn(area.x, area.y, line, width, FAINT);
    let name = cut(&format!(" {name} "), width.saturating_sub(3));
    let (end, _) = buffer.set_stringn(area.x + 1, area.y, name, width.saturating_sub(1), BOLD);
    let about = format!(" {about} ");
    let wide = about.chars().count() as u16;
    if about.len() > 2 && end + wide + 4 <= area.right() {
        buffer.set_stringn(area.right() - wide - 1, area.y, about, width, FAINT);
    }
}

/// A rule with what stands below it, where there is room for it: the area below.
pub fn below_rule(buffer: &mut Buffer, area: Rect, lines: u16, (name, about): (&str, &str)) -> Rect {
    if area.height <= lines.min(2) {
        return area;
    }
    rule(buffer, Rect { height: 1, ..area }, name, about);
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

const KEYS: [(&str, &str); 8] = [
    ("q, Ctrl-C", "stop, save what is there; again 1 s later: at once"),
    ("l", "the server's log, or the messages"),
    ("↑ ↓, PgUp PgDn", "scroll it; Home and End: to its ends"),
    ("Ctrl-Z", "leave it for a while; fg brings it back"),
    ("Ctrl-L", "draw everything anew"),
    ("?", "these keys"),
    ("", ""),
    ("", "The picture changes no figure: it has its own thread."),
];

/// The keys, explained over the rest.
pub fn help(buffer: &mut Buffer, area: Rect) {
    let width = area.width.min(72);
    let height = area.height.min(KEYS.len() as u16 + 2);
    let place =
        Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    Clear.render(place, buffer);
    let block = Block::bordered().title(" Keys ").border_style(BUSY);
    let inner = block.inner(place);
    block.render(place, buffer);
    for (row, (key, does)) in (inner.y..inner.bottom()).zip(KEYS) {
        let line = Line::from(vec![Span::styled(fit(&format!(" {key}"), 17), BOLD), Span::raw(does)]);
        buffer.set_line(inner.x, row, &line, inner.width);
    }
}
