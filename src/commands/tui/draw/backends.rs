//! The table of backends.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::frame::below_rule;
use super::words::{BAD, BUSY, DOUBT, FAINT, GOOD, clock, cut, fit, ms, or_dash, rate};
use crate::commands::tui::board::{Board, Headline, Row, State};

/// The columns of figures, from the one that is left out last: head, width, cell.
type Column = (&'static str, usize, fn(&Headline) -> String);
const COLUMNS: [Column; 5] = [
    ("tok/s", 8, |headline| or_dash(headline.output_tps, rate)),
    ("TTFT p50", 9, |headline| or_dash(headline.ttft_p50, ms)),
    ("p99", 7, |headline| or_dash(headline.ttft_p99, ms)),
    ("TPOT p50", 9, |headline| or_dash(headline.tpot_p50, ms)),
    ("fails", 6, |headline| headline.failed.to_string()),
];
/// State and runs need so many columns.
const STATE: usize = 15;
const RUNS: usize = 5;
/// A wide table gives the states more, up to so many.
const WIDEST_STATE: usize = 32;

/// Lines of the whole table.
pub fn lines(board: &Board) -> u16 {
    u16::try_from(board.rows.len() + 1).unwrap_or(u16::MAX)
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, board: &Board) {
    let about = "figures: newest run, output tokens, latencies in ms";
    let area = below_rule(buffer, area, lines(board), ("Backends", about));
    let width = usize::from(area.width);
    let widest = board.rows.iter().map(|row| row.label.width()).max().unwrap_or(0);
    let label = widest.clamp(4, 24).min(width / 3);
    let mut columns = Vec::new();
    let mut left = width.saturating_sub(label + STATE + RUNS + 3);
    for column in COLUMNS {
        let Some(rest) = left.checked_sub(column.1) else { break };
        columns.push(column);
        left = rest;
    }
    let room = Room { label, state: (STATE + left).min(WIDEST_STATE), columns, width };
    let head = area.height > 2 || usize::from(area.height) > board.rows.len();
    let mut place = area.y;
    if head {
        buffer.set_line(area.x, place, &room.head(), area.width);
        place += 1;
    }
    for row in seen(board, usize::from(area.bottom() - place)) {
        buffer.set_line(area.x, place, &room.line(row, board), area.width);
        place += 1;
    }
}

/// As many rows as there is room for, with the one that is busy among them.
fn seen(board: &Board, room: usize) -> &[Row] {
    let rows = &board.rows;
    let busy = rows.iter().position(|row| is_busy(&row.state)).unwrap_or(0);
    let first = (busy + 1).saturating_sub(room).min(rows.len().saturating_sub(room));
    rows.get(first..(first + room).min(rows.len())).unwrap_or_default()
}

/// Where the columns stand.
struct Room {
    label: usize,
    state: usize,
    columns: Vec<Column>,
    width: usize,
}

impl Room {
    fn head(&self) -> Line<'static> {
        let mut text = format!("  {} {}{:>RUNS$}", fit("", self.label), fit("state", self.state), "runs");
        for (name, width, _) in &self.columns {
            text.push_str(&format!("{name:>width$}"));
        }
        Line::styled(text, FAINT)
    }

    fn line(&self, row: &Row, board: &Board) -> Line<'static> {
        let (words, style) = state(row, board);
        let mark = if is_busy(&row.state) { "▶" } else { " " };
        let bold = if is_busy(&row.state) { Modifier::BOLD } else { Modifier::empty() };
        let mut spans = vec![
            Span::styled(format!("{mark} "), BUSY),
            Span::styled(fit(&row.label, self.label), Style::new().add_modifier(bold)),
            Span::raw(" "),
        ];
        // Why there is no more to come is worth more than what there was.
        let failed = matches!(row.state, State::Failed(_));
        let Some(headline) = row.headline.as_ref().filter(|_| !failed) else {
            let runs = runs(row);
            let room = self.width.saturating_sub(self.label + 4 + runs.width());
            let long = words.width() > self.state;
            let room = if long { room } else { self.state };
            spans.push(Span::styled(if long { cut(&words, room) } else { fit(&words, room) }, style));
            if !long {
                spans.push(Span::raw(format!("{runs:>RUNS$}")));
            }
            return Line::from(spans);
        };
        spans.push(Span::styled(fit(&words, self.state), style));
        spans.push(Span::raw(format!("{:>RUNS$}", runs(row))));
        for (name, width, cell) in &self.columns {
            let failed = *name == "fails" && headline.failed > 0;
            let style = if failed { BAD } else { Style::new() };
            spans.push(Span::styled(format!("{:>width$}", cell(headline)), style));
        }
        Line::from(spans)
    }
}

fn runs(row: &Row) -> String {
    match (&row.state, row.runs) {
        (State::Absent(_), _) => String::new(),
        (_, (closed, Some(all))) => format!("{closed}/{all}"),
        (_, (closed, None)) => closed.to_string(),
    }
}

fn is_busy(state: &State) -> bool {
    match state {
        State::Launching { .. }
        | State::Probing { .. }
        | State::Ready { .. }
        | State::Loaded
        | State::Saving
        | State::Stopping { .. } => true,
        State::Waiting | State::Done | State::Failed(_) | State::Absent(_) => false,
    }
}

/// What a backend does, in words.
fn state(row: &Row, board: &Board) -> (String, Style) {
    let ago = |since: Duration| clock(board.now.saturating_sub(since));
    match &row.state {
        State::Waiting => ("waiting".to_owned(), FAINT),
        State::Launching { since, step } => (format!("launching {} {step}", ago(*since)), BUSY),
        State::Probing { since } => (format!("probing {}", ago(*since)), BUSY),
        State::Ready { since } => (format!("ready {}", ago(*since)), BUSY),
        State::Loaded => match &board.run {
            Some(run) if run.measuring_since.is_some() => {
                let seconds = Duration::from_secs_f64(run.measured_s(board.now));
                (format!("measuring {}", clock(seconds)), GOOD)
            }
            Some(run) => (format!("warming up {}", ago(run.since)), BUSY),
            None => ("loaded".to_owned(), BUSY),
        },
        State::Saving => ("saving".to_owned(), BUSY),
        State::Stopping { since } => (format!("stopping {}", ago(*since)), BUSY),
        State::Done if row.runs.1.is_some_and(|all| row.runs.0 < all) => ("stopped early".to_owned(), DOUBT),
        State::Done => ("done".to_owned(), GOOD),
        State::Failed(why) => (format!("failed: {why}"), BAD),
        State::Absent(why) => (why.clone(), FAINT),
    }
}
