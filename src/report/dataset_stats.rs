//! What is in a trace or a file of prompts, as the terminal shows it.

use super::number::{NONE, compact, count, one_line, wrap};
use super::terminal::Style;
use crate::schema::trace_stats::{BlockStats, DatasetStats, Dispersion, Lengths, PromptStats, TraceStats};

/// Columns of the names.
const NAME_COLUMNS: usize = 18;
/// Columns of a number.
const NUMBER_COLUMNS: usize = 9;
/// The most categories that are named.
const MOST_CATEGORIES: usize = 12;

/// The whole, ending in a line break.
pub fn stats_table(stats: &DatasetStats, style: Style) -> String {
    let lines = match stats {
        DatasetStats::Trace(stats) => trace_lines(stats, style),
        DatasetStats::Prompts(stats) => prompt_lines(stats, style),
    };
    lines.join("\n") + "\n"
}

fn trace_lines(stats: &TraceStats, style: Style) -> Vec<String> {
    let row = |name: &str, text: String| row(name, &text, style);
    let mut lines = head(&stats.path, style);
    lines.extend(row("format", stats.format.title().to_owned()));
    lines.extend(row("rows", rows(stats)));
    lines.extend(row(
        "span",
        format!(
            "{} s from the first to the last, mean {}",
            fixed(stats.span_s),
            stats.rate_per_s.map_or(NONE.to_owned(), rate)
        ),
    ));
    lines.extend(row(
        "arrivals",
        format!(
            "{} instants, {} ties, clock in steps of {} s",
            count(stats.instants),
            count(stats.ties),
            fixed(stats.resolution_s)
        ),
    ));
    if stats.steps_back > 0 {
        let at = stats.first_step_back.unwrap_or_default();
        lines.extend(row("steps back", format!("{}, first at row {at} (from 0)", count(stats.steps_back))));
    }
    if stats.sessions > 0 {
        lines.extend(row("sessions", count(stats.sessions)));
    }
    if let Some(blocks) = &stats.blocks {
        lines.extend(row("prefix blocks", blocks_text(blocks)));
    }
    lines.push(String::new());
    lines.extend(lengths_table(&[("input tokens", &stats.input), ("output tokens", &stats.output)], style));
    if stats.failed > 0 {
        lines.extend(
            lengths_table(
                &[("input, answered", &stats.answered_input), ("output, answered", &stats.answered_output)],
                style,
            )
            .into_iter()
            .skip(1),
        );
    }
    lines.push(String::new());
    lines.extend(dispersion_table(&stats.dispersion, style));
    lines.push(String::new());
    for verdict in &stats.verdicts {
        lines.extend(
            wrap(&one_line(verdict), style.columns(), "! ", "  ").iter().map(|line| style.bold(line)),
        );
    }
    lines.extend(wrap(
        "Dispersion: variance over mean of the arrivals in windows laid from the first one on, whole windows only; \
         1 is what independent users make.",
        style.columns(),
        "",
        "",
    ));
    lines
}

fn rows(stats: &TraceStats) -> String {
    let mut text = count(stats.rows);
    if stats.failed > 0 {
        text += &format!(", {} of them without an answer", count(stats.failed));
    }
    if stats.bad > 0 {
        text += &format!("; {} more cannot be read", count(stats.bad));
    }
    text
}

fn blocks_text(blocks: &BlockStats) -> String {
    let of =
        blocks.tokens.map_or("components of any length".to_owned(), |tokens| format!("of {tokens} tokens"));
    format!(
        "{} {of}, {} distinct, {} hit ({:.1} %) in a cache without a limit",
        count(blocks.blocks),
        count(blocks.distinct),
        count(blocks.hit),
        100.0 * blocks.hit as f64 / blocks.blocks.max(1) as f64
    )
}

fn prompt_lines(stats: &PromptStats, style: Style) -> Vec<String> {
    let row = |name: &str, text: String| row(name, &text, style);
    let mut lines = head(&stats.path, style);
    lines.extend(row("prompts", count(stats.prompts)));
    if stats.turns > stats.prompts {
        lines.extend(row("turns", format!("{}; lengths are those of the first", count(stats.turns))));
    }
    lines.extend(row("duplicates", count(stats.duplicates)));
    if stats.not_text > 0 {
        lines.extend(row("not only text", count(stats.not_text)));
    }
    if !stats.passed_over.is_empty() {
        lines.extend(row("passed over", stats.passed_over.join(", ")));
    }
    lines.extend(row("categories", categories(stats)));
    lines.push(String::new());
    let mut lengths = vec![("characters", &stats.characters), ("words", &stats.words)];
    lengths.extend(stats.tokens.as_ref().map(|tokens| ("tokens", tokens)));
    if stats.max_tokens.count > 0 {
        lengths.push(("output limit", &stats.max_tokens));
    }
    lines.extend(lengths_table(&lengths, style));
    lines
}

fn categories(stats: &PromptStats) -> String {
    let mut by_size: Vec<(&String, &u64)> = stats.categories.iter().collect();
    by_size.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let named = by_size.iter().take(MOST_CATEGORIES).map(|(name, number)| {
        let name = if name.is_empty() { "none" } else { name.as_str() };
        format!("{name} {}", count(**number))
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if by_size.len() > MOST_CATEGORIES {
        text += &format!(" and {} more", by_size.len() - MOST_CATEGORIES);
    }
    text
}

fn head(path: &str, style: Style) -> Vec<String> {
    let head = format!("=== {} ===", one_line(path));
    wrap(&head, style.columns(), "", "").iter().map(|line| style.bold(line)).collect()
}

fn row(name: &str, text: &str, style: Style) -> Vec<String> {
    let first = format!("{name:NAME_COLUMNS$}");
    wrap(&one_line(text), style.columns(), &first, &" ".repeat(NAME_COLUMNS))
}

/// A line of names and a line for each; sums stand last, since they may be long.
fn lengths_table(rows: &[(&str, &Lengths)], _style: Style) -> Vec<String> {
    let mut head = " ".repeat(NAME_COLUMNS);
    for name in ["min", "p50", "p90", "p99", "max", "mean"] {
        head += &format!("{name:>width$}", width = NUMBER_COLUMNS - 1);
    }
    head += &format!("{:>14}", "total");
    let mut lines = vec![head];
    for (name, lengths) in rows {
        let mut line = format!("{name:NAME_COLUMNS$}");
        for value in [lengths.min, lengths.p50, lengths.p90, lengths.p99, lengths.max] {
            line += &format!("{:>width$}", count(value), width = NUMBER_COLUMNS - 1);
        }
        line +=
            &format!("{:>width$.1}{:>14}", lengths.mean, count(lengths.total), width = NUMBER_COLUMNS - 1);
        lines.push(line);
    }
    lines
}

fn dispersion_table(rows: &[Dispersion], _style: Style) -> Vec<String> {
    let mut head = " ".repeat(NAME_COLUMNS);
    for name in ["dispersion", "windows", "empty", "most"] {
        head += &format!("{name:>12}");
    }
    let mut lines = vec![head];
    for told in rows {
        let index = told.index.map_or(NONE.to_owned(), |index| format!("{index:.2}"));
        let name = format!("in {} s", told.window_s);
        lines.push(format!(
            "{name:NAME_COLUMNS$}{index:>12}{:>12}{:>12}{:>12}",
            count(told.windows),
            count(told.empty),
            count(told.most)
        ));
    }
    lines
}

/// Seconds with the digits that they have, to the µs.
fn fixed(seconds: f64) -> String {
    let text = format!("{seconds:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

fn rate(rate: f64) -> String {
    format!("{}/s", compact(rate))
}
