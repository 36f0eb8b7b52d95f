//! Runs over time, as the terminal shows them: a table for each group, with a spark line a figure.

use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use super::number::{NONE, compact, one_line, wrap};
use super::terminal::Style;
use crate::schema::figure_name::figure_named;
use crate::schema::trend::{TrendFigure, TrendFile, TrendGroup, TrendMark, TrendPoint};

/// Columns of a run's time, and of its number of rounds.
const TIME_COLUMNS: usize = 16;
const ROUNDS_COLUMNS: usize = 7;
/// Columns of a value, and of the change behind it.
const VALUE_COLUMNS: usize = 10;
const CHANGE_COLUMNS: usize = 8;
/// Points that a spark line shows.
const SPARK_POINTS: usize = 24;
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The whole, with at most `last` runs a group, ending in a line break.
pub fn trend_table(trend: &TrendFile, last: usize, style: Style) -> String {
    let head = if trend.simulated { "=== TREND OF SIMULATED ENGINES ===" } else { "=== TREND ===" };
    let mut lines = vec![style.bold(head)];
    for group in &trend.groups {
        lines.extend(group_lines(group, &trend.figures, last, style));
    }
    if trend.groups.is_empty() {
        lines.push("No run of this kind.".to_owned());
    } else {
        lines.push(String::new());
        lines.extend(wrap(RULE, style.columns(), "", "  "));
    }
    if trend.passed_over > 0 {
        lines.push(format!("{} rows hold no run or no time and were passed over.", trend.passed_over));
    }
    lines.join("\n") + "\n"
}

const RULE: &str = "Changes are against the mean of the earlier runs of the same level. ! marks a run outside their prediction \
                    interval (Student's t on logarithms, three earlier runs or more, 1 % after Holm over the figures \
                    shown); two in a row on one side begin a new level. Rounds of one plan are one run.";

fn group_lines(group: &TrendGroup, figures: &[String], last: usize, style: Style) -> Vec<String> {
    let of = &group.of;
    let parts = [&of.backend, &of.model, &of.precision, &of.load, &of.dataset, &of.endpoint];
    let name: Vec<String> =
        parts.into_iter().filter(|part| !part.is_empty()).map(|part| one_line(part)).collect();
    let mut lines = vec![String::new()];
    lines.extend(wrap(&name.join(", "), style.columns(), "", "  ").iter().map(|line| style.bold(line)));
    let from = group.points.len().saturating_sub(last);
    if !group.points.is_empty() {
        lines.push(head(figures));
        lines.push(sparks(group, figures));
    }
    if from > 0 {
        lines.push(format!("… {from} earlier runs (--last {})", group.points.len()));
    }
    let versions =
        std::iter::once(None).chain(group.points.iter().map(|point| point.engine_version.as_deref()));
    for (point, before) in group.points.iter().zip(versions).skip(from) {
        let version = point.engine_version.as_deref();
        if let (Some(before), Some(version)) = (before, version)
            && before != version
        {
            lines.extend(wrap(&format!("version {before} → {version}"), style.columns(), "  ", "    "));
        }
        lines.push(point_line(point, figures, style));
    }
    lines.extend(apart_lines(group, style));
    lines
}

fn head(figures: &[String]) -> String {
    let mut line = format!("{:TIME_COLUMNS$}{:>ROUNDS_COLUMNS$}", "", "rounds");
    for name in figures {
        let title = figure_named(name)
            .map_or_else(|| name.clone(), |figure| title(&figure.title(), figure.metric.unit));
        line += &padded(&title, VALUE_COLUMNS + CHANGE_COLUMNS + 1);
    }
    line.trim_end().to_owned()
}

/// `TTFT p99 (ms)`; the unit goes first where both have no room.
fn title(title: &str, unit: &str) -> String {
    let whole = format!("{title} ({unit})");
    if whole.width() <= VALUE_COLUMNS + CHANGE_COLUMNS { whole } else { title.to_owned() }
}

/// To the right of so many columns.
fn padded(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(text.width())))
}

fn sparks(group: &TrendGroup, figures: &[String]) -> String {
    let mut line = " ".repeat(TIME_COLUMNS + ROUNDS_COLUMNS);
    for name in figures {
        let values: Vec<f64> = group
            .points
            .iter()
            .filter_map(|point| point.figures.get(name))
            .map(|figure| figure.value)
            .collect();
        let most = (VALUE_COLUMNS + CHANGE_COLUMNS).min(SPARK_POINTS);
        let shown = values.get(values.len().saturating_sub(most)..).unwrap_or_default();
        line += &padded(&spark(shown), VALUE_COLUMNS + CHANGE_COLUMNS + 1);
    }
    line.trim_end().to_owned()
}

/// From the lowest to the highest of the values; a flat line in the middle where they are equal.
fn spark(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let place = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.4 };
        SPARKS.get(((share * 7.0).round() as usize).min(7)).copied().unwrap_or('▁')
    };
    values.iter().map(place).collect()
}

fn point_line(point: &TrendPoint, figures: &[String], style: Style) -> String {
    let time = point.at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string();
    let mut line = format!("{time:TIME_COLUMNS$}{:>ROUNDS_COLUMNS$}", point.rounds);
    for name in figures {
        let figure = point.figures.get(name);
        line +=
            &padded(&figure.map_or_else(|| NONE.to_owned(), |figure| compact(figure.value)), VALUE_COLUMNS);
        line += &padded(&figure.map(change).unwrap_or_default(), CHANGE_COLUMNS);
        let mark = figure.and_then(|figure| figure.mark);
        line += if mark.is_some() { "!" } else { " " };
    }
    let is_worse = point.figures.values().any(|figure| figure.mark == Some(TrendMark::Worse));
    let line = line.trim_end();
    if is_worse { style.bold(line) } else { line.to_owned() }
}

/// `+12 %`
fn change(figure: &TrendFigure) -> String {
    match figure.change_pct {
        None => String::new(),
        Some(pct) if pct.abs() >= 1000.0 => if pct > 0.0 { ">+999 %" } else { "<-999 %" }.to_owned(),
        Some(pct) if pct.abs() >= 10.0 => format!("{pct:+.0} %"),
        Some(pct) => format!("{pct:+.1} %"),
    }
}

/// Runs that enter no figure, by why.
fn apart_lines(group: &TrendGroup, style: Style) -> Vec<String> {
    let Some(latest) = group.apart.last() else { return Vec::new() };
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for run in &group.apart {
        match reasons.iter_mut().find(|(why, _)| *why == run.why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((&run.why, 1)),
        }
    }
    let reasons: Vec<String> =
        reasons.iter().map(|(why, count)| format!("{count} {}", one_line(why))).collect();
    let when = latest.at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M");
    wrap(
        &format!("apart from these: {}, the latest at {when}", reasons.join(", ")),
        style.columns(),
        "  ",
        "    ",
    )
}
