//! What `harness check` shows: a table for each label and load, what could not be checked, and what follows.

use unicode_width::UnicodeWidthStr;

use super::number::{NONE, compact, one_line, wrap};
use super::terminal::Style;
use crate::schema::check::{Change, CheckFile, CheckOutcome, CheckRow, CheckVerdict, Difference, OverRounds};
use crate::schema::figure_name::figure_named;

/// Heads of the table's columns.
const HEAD: [&str; 6] = ["", "baseline", "now", "change [95 %]", "limit", "verdict"];
/// Blanks between two columns.
const GAP: usize = 2;

/// The whole, ending in a line break.
pub fn check_table(check: &CheckFile, style: Style) -> String {
    let mut lines = vec![style.bold("=== CHECK AGAINST BASELINE ===")];
    for rows in by_load(&check.rows) {
        lines.extend(load_lines(rows, style));
    }
    lines.push(String::new());
    lines.extend(wrap(&basis(&check.rows), style.columns(), "", ""));
    lines.extend(list(
        "Not the same measurement (--force):",
        check.differences.iter().map(difference),
        style,
    ));
    lines.extend(list("Differs, as it may:", check.changes.iter().map(difference), style));
    lines.extend(list("Not checked:", check.not_checked.iter().cloned(), style));
    lines.extend(list("Notes:", check.notes.iter().cloned(), style));
    lines.push(String::new());
    lines.extend(
        conclusion(check)
            .iter()
            .flat_map(|text| wrap(text, style.columns(), "", "  "))
            .map(|line| style.bold(&line)),
    );
    lines.join("\n") + "\n"
}

/// Rows of one label at one load, in their order.
pub(super) fn by_load(rows: &[CheckRow]) -> impl Iterator<Item = &[CheckRow]> {
    rows.chunk_by(|left, right| {
        (&left.label, &left.baseline_label, &left.load) == (&right.label, &right.baseline_label, &right.load)
    })
}

/// `vllm, concurrency 8, 100 requests`.
pub(super) fn place(row: &CheckRow) -> String {
    let against = if row.label == row.baseline_label {
        String::new()
    } else {
        format!(" against {}", row.baseline_label)
    };
    one_line(&format!("{}{against}, {}", row.label, row.load))
}

fn load_lines(rows: &[CheckRow], style: Style) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(rows.first().map(|row| wrap(&place(row), style.columns(), "", "  ")).unwrap_or_default());
    let table: Vec<[String; 6]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| table.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let whole = widths.iter().sum::<usize>() + GAP * (HEAD.len() - 1);
    // Where a line has no room for all, the name stands on a line of its own.
    let apart = whole > style.columns();
    for (number, row) in table.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if apart && column == 0 {
                if number > 0 {
                    lines.push(cell.clone());
                }
                continue;
            }
            let blanks = " ".repeat(width - cell.width());
            // Names and verdicts begin under each other, numbers end so.
            let left = column == 0 || column == HEAD.len() - 1;
            let gap = if line.is_empty() { "" } else { "  " };
            line += &if left { format!("{gap}{cell}{blanks}") } else { format!("{gap}{blanks}{cell}") };
        }
        let line = line.trim_end();
        let loud =
            rows.get(number.wrapping_sub(1)).is_some_and(|row| row.verdict == CheckVerdict::Regression);
        lines.push(if loud { style.bold(line) } else { line.to_owned() });
        if number == 0 {
            let shown = if apart { whole - widths.first().map_or(0, |name| name + GAP) } else { whole };
            lines.push("─".repeat(shown.min(style.columns())));
        }
    }
    lines
}

fn cells(row: &CheckRow) -> [String; 6] {
    [
        figure_title(row),
        value(row.baseline),
        value(row.now),
        row.change.map_or_else(|| NONE.to_owned(), |change| change_words(row, &change)),
        format!("{}{}", row.limit_pct, unit_of_change(row)),
        verdict_words(row),
    ]
}

/// `TTFT p99 (ms)`.
pub(super) fn figure_title(row: &CheckRow) -> String {
    match figure_named(&row.figure) {
        Some(figure) => format!("{} ({})", figure.title(), figure.metric.unit),
        None => row.figure.clone(),
    }
}

fn value(of: Option<OverRounds>) -> String {
    of.map_or_else(|| NONE.to_owned(), |of| compact(of.value))
}

/// `+12 % [+8, +16]`.
fn change_words(row: &CheckRow, change: &Change) -> String {
    let interval = change.low_pct.zip(change.high_pct);
    let interval = interval.map(|(low, high)| format!(" [{}, {}]", signed(low), signed(high)));
    format!("{}{}{}", signed(change.pct), unit_of_change(row), interval.unwrap_or_default())
}

/// Two digits at least, as much as a change of two results can bear.
fn signed(pct: f64) -> String {
    match pct.abs() {
        whole if whole >= 10.0 => format!("{pct:+.0}"),
        _ => format!("{pct:+.1}"),
    }
}

/// ` %`, or ` pt` (percentage points) of a figure that is itself in %.
fn unit_of_change(row: &CheckRow) -> &'static str {
    let is_share = figure_named(&row.figure).is_some_and(|figure| figure.metric.unit == "%");
    if is_share { " pt" } else { " %" }
}

/// `REGRESSION`, `within limit`, …
fn verdict_words(row: &CheckRow) -> String {
    match row.verdict {
        CheckVerdict::Regression => "REGRESSION",
        CheckVerdict::NotShown => "not shown",
        CheckVerdict::WithinLimit => "within limit",
        CheckVerdict::Better => "better",
        CheckVerdict::CannotTell => "cannot tell",
        CheckVerdict::NoValue => "NO VALUE",
    }
    .to_owned()
}

/// `REGRESSION: +12 % [+8, +16], limit 10 %`.
pub(super) fn sentence(row: &CheckRow) -> String {
    let change =
        row.change.map_or_else(|| "a side has no value".to_owned(), |change| change_words(row, &change));
    format!("{}: {change}, limit {}{}", verdict_words(row), row.limit_pct, unit_of_change(row))
}

fn basis(rows: &[CheckRow]) -> String {
    let told = rows.iter().filter(|row| row.change.is_some_and(|change| change.p.is_some())).count();
    let corrected = if told > 1 { format!(", Holm over {told} figures") } else { String::new() };
    format!(
        "A regression is worse by more than its limit and real (Welch's t on the logarithms of the rounds' values, \
         5 %{corrected}). Values are means over {}.",
        rounds(rows)
    )
}

/// `5 rounds then and 5 now`.
fn rounds(rows: &[CheckRow]) -> String {
    let range = |of: fn(&CheckRow) -> Option<OverRounds>| {
        let rounds = || rows.iter().filter_map(of).map(|of| of.rounds);
        match (rounds().min(), rounds().max()) {
            (Some(least), Some(most)) if least == most => least.to_string(),
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (None, _) | (_, None) => "0".to_owned(),
        }
    };
    format!("rounds: {} then, {} now", range(|row| row.baseline), range(|row| row.now))
}

fn difference(of: &Difference) -> String {
    format!("{}: {} then, {} now", of.what, of.baseline, of.now)
}

fn list(head: &str, texts: impl Iterator<Item = String>, style: Style) -> Vec<String> {
    let entries: Vec<String> = texts.flat_map(|text| wrap(&text, style.columns(), "  - ", "    ")).collect();
    if entries.is_empty() { Vec::new() } else { [vec![String::new(), style.bold(head)], entries].concat() }
}

/// What follows, a sentence a line: what a tired reader reads alone.
pub fn conclusion(check: &CheckFile) -> Vec<String> {
    let of = |verdict: CheckVerdict| check.rows.iter().filter(move |row| row.verdict == verdict);
    let name = |row: &CheckRow| format!("{} of {}", figure_title(row), place(row));
    let mut texts: Vec<String> = of(CheckVerdict::Regression)
        .map(|row| {
            let change = row.change.map(|change| change_words(row, &change)).unwrap_or_default();
            format!("REGRESSION: {}: {change}, limit {}{}.", name(row), row.limit_pct, unit_of_change(row))
        })
        .collect();
    let unsure = of(CheckVerdict::CannotTell).count();
    if unsure > 0 {
        texts.push(format!(
            "CANNOT TELL for {unsure} of {} figures: a difference can be real only with three rounds or more on both \
             sides (--rounds 3).",
            check.rows.len()
        ));
    }
    texts.extend(of(CheckVerdict::NotShown).map(|row| {
        format!("NOT SHOWN: {} is beyond its limit, which with these rounds may be chance.", name(row))
    }));
    texts.extend(blind(check));
    texts.extend(match check.outcome {
        CheckOutcome::Regressed => None,
        CheckOutcome::NotChecked => Some("NOT CHECKED as a whole: see above.".to_owned()),
        CheckOutcome::Passed if unsure == check.rows.len() => None,
        CheckOutcome::Passed => Some("No regression was shown.".to_owned()),
    });
    texts
}

/// Figures whose limit these rounds are too few to hold.
fn blind(check: &CheckFile) -> Option<String> {
    let detectable = |row: &&CheckRow| {
        let detectable = row.change?.detectable_pct?;
        (row.verdict != CheckVerdict::Regression && detectable > row.limit_pct).then_some(detectable)
    };
    let rows: Vec<&CheckRow> = check.rows.iter().filter(|row| detectable(row).is_some()).collect();
    let row = rows.iter().max_by(|left, right| {
        let over = |row: &&&CheckRow| detectable(row).unwrap_or(0.0) / row.limit_pct.max(f64::MIN_POSITIVE);
        over(left).total_cmp(&over(right))
    })?;
    let others =
        if rows.len() > 1 { format!(" (and {} more figures)", rows.len() - 1) } else { String::new() };
    Some(format!(
        "These rounds are few for the limits: of {} only a change of {}{} would be shown in four of five tries, and the \
         limit is {}{}{others}; more rounds show less.",
        figure_title(row),
        compact(detectable(row)?),
        unit_of_change(row),
        row.limit_pct,
        unit_of_change(row),
    ))
}
