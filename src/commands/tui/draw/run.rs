//! The run that is played.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Sparkline, SparklineBar, Widget};

use super::frame::below_rule;
use super::words::{BAD, BUSY, DOUBT, FAINT, GOOD, bar, clock, cut, ms, rate, spread};
use crate::commands::tui::board::Board;
use crate::commands::tui::run_now::{MINUTE, RunNow, Second};
use crate::schema::live_snapshot::LivePercentiles;

/// Columns of a chart's numbers.
const NUMBERS: u16 = 46;

/// Lines of it, and how many more its charts may take.
pub fn lines(board: &Board) -> (u16, u16) {
    if board.run.is_some() { (5, 3) } else { (0, 0) }
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, board: &Board) {
    let Some(run) = &board.run else { return };
    let words = if run.words.is_empty() { String::new() } else { format!(" · {}", run.words) };
    let name = format!("{}{words}", run.key.label);
    let area = below_rule(buffer, area, 5, (&name, "latencies of the last 10 s; charts: p99, last minute"));
    buffer.set_line(area.x, area.y, &progress(run, board, area.width), area.width);
    if area.height > 1 && run.measuring_since.is_some() {
        buffer.set_line(area.x, area.y + 1, &rates(run, area.width), area.width);
    }
    // Charts as high as there is room for.
    let left = area.height.saturating_sub(2);
    let high = if left >= 6 { 2 } else { 1 };
    type OfSecond = fn(&Second) -> Option<f64>;
    let ttft: OfSecond = |second| second.ttft_p99;
    let itl: OfSecond = |second| second.itl_p99;
    let charts = [
        ("TTFT", run.recent(|latencies| &latencies.ttft), ttft),
        ("ITL", run.recent(|latencies| &latencies.itl), itl),
    ];
    let mut y = area.y + 2;
    for (name, moving, of) in charts {
        if y + high > area.bottom() {
            return;
        }
        buffer.set_line(area.x, y, &percentiles(name, moving), area.width);
        chart(buffer, Rect::new(area.x, y, area.width, high), run, of);
        y += high;
    }
    if y + high <= area.bottom() {
        let line = Line::from(vec![
            Span::styled(" tok/s  ", FAINT),
            Span::raw(format!("{:>8}", rate(run.tokens_s))),
        ]);
        buffer.set_line(area.x, y, &line, area.width);
        chart(buffer, Rect::new(area.x, y, area.width, high), run, |second| Some(second.tokens_s));
    }
}

/// How far it is.
fn progress(run: &RunNow, board: &Board, width: u16) -> Line<'static> {
    if run.measuring_since.is_none() {
        let since = clock(board.now.saturating_sub(run.since));
        let words = format!(" warming up, {} requests done · {since}", run.last.counts.warmup_done);
        return Line::styled(words, BUSY);
    }
    let ended = run.last.counts.completed + run.last.counts.failed();
    let time = clock(Duration::from_secs_f64(run.measured_s(board.now)));
    let time = match run.most_s {
        Some(most) => format!("{time} of {}", clock(Duration::try_from_secs_f64(most).unwrap_or_default())),
        None => time,
    };
    let requests = match run.most_requests {
        Some(most) => format!("{ended} of {most} requests"),
        None => format!("{ended} requests"),
    };
    let saved = if run.ended.is_some() { " · over" } else { "" };
    let words = format!("{requests} · {time}{saved}");
    let room = usize::from(width).saturating_sub(words.chars().count() + 4).min(60);
    let mut spans = vec![Span::raw(" ")];
    if room >= 8 {
        spans.extend(bar(run.progress(board.now).unwrap_or(0.0), room, GOOD));
        spans.push(Span::raw("  "));
    }
    spans.push(Span::raw(words));
    Line::from(spans)
}

/// What goes through it now, and what failed.
fn rates(run: &RunNow, width: u16) -> Line<'static> {
    let number = |text: String, unit: &'static str| [Span::raw(text), Span::styled(unit, FAINT)];
    let mut spans = vec![Span::raw(" ")];
    spans.extend(number(rate(run.requests_s), " req/s   "));
    spans.extend(number(rate(run.tokens_s), " tok/s   "));
    spans.extend(number(run.last.counts.in_flight.to_string(), " in flight   "));
    let failed = run.last.counts.failed();
    let style = if failed > 0 { BAD } else { FAINT };
    spans.push(Span::styled(format!("{failed} failed"), style));
    let kinds: Vec<String> =
        run.last.counts.failures.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
    let line = Line::from(spans);
    let room = usize::from(width).saturating_sub(line.width() + 3);
    let kinds = if room < 10 { String::new() } else { cut(&kinds.join(", "), room) };
    spread(line, Line::styled(kinds, DOUBT), width)
}

fn percentiles(name: &str, moving: Option<LivePercentiles>) -> Line<'static> {
    let mut spans = vec![Span::styled(format!(" {:<7}", format!("{name} ms")), FAINT)];
    let Some(moving) = moving else {
        spans.push(Span::styled("        –", FAINT));
        return Line::from(spans);
    };
    for (name, value) in [(" p50", moving.p50_ms), ("  p90", moving.p90_ms), ("  p99", moving.p99_ms)] {
        spans.push(Span::styled(name, FAINT));
        spans.push(Span::raw(format!("{:>7}", ms(value))));
    }
    Line::from(spans)
}

/// The last minute, the newest at the right end; of seconds that share a column the highest counts.
fn chart(buffer: &mut Buffer, area: Rect, run: &RunNow, of: fn(&Second) -> Option<f64>) {
    let width = area.width.saturating_sub(NUMBERS + 1).min(MINUTE as u16);
    if width < 10 {
        return;
    }
    let mut columns: Vec<Option<f64>> = vec![None; usize::from(width)];
    let missing = MINUTE.saturating_sub(run.seconds.len());
    for (place, second) in run.seconds.iter().enumerate() {
        if let (Some(value), Some(column)) =
            (of(second), columns.get_mut((missing + place) * usize::from(width) / MINUTE))
        {
            *column = Some(column.map_or(value, |known| known.max(value)));
        }
    }
    let largest = columns.iter().flatten().fold(0.0, |most: f64, value| most.max(*value));
    // Whole numbers are drawn: so many steps to the largest.
    let steps = |value: f64| if largest > 0.0 { (value / largest * 1000.0) as u64 } else { 0 };
    let bars = columns.iter().map(|value| SparklineBar::from(value.map(steps)));
    let place = Rect::new(area.right() - width - 1, area.y, width, area.height);
    Sparkline::default().data(bars).max(1000).style(BUSY).render(place, buffer);
}
