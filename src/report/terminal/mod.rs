//! What the terminal shows: a block for each backend, then all of them side by side.

mod block;
mod side_by_side;
mod style;
mod sweep;
mod table;
mod verdicts;

pub use block::run_block;
pub use style::Style;

use comfy_table::{CellAlignment, ColumnConstraint};

use super::number::{one_line, wrap};
use super::rows::View;
use super::{answer, caveat, doubts, fairness, knee, limit, served};
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;
use side_by_side::{legend, tables};
use sweep::sweep_lines;
use table::{bold_cell, plain_table};
use verdicts::verdict_lines;

/// All backends side by side, those without a result, and every doubt; ends in a line break.
pub fn comparison_table(comparison: &Comparison, style: Style) -> String {
    let simulated = comparison.runs.iter().any(|run| run.caveats.contains(&Caveat::Simulated));
    let head = if simulated { "=== COMPARISON OF SIMULATED ENGINES ===" } else { "=== COMPARISON ===" };
    let mut lines = vec![style.bold(head)];
    if comparison.runs.is_empty() {
        lines.push("No backend gave a result.".to_owned());
    } else {
        lines.extend(answer(comparison, style));
        let single = comparison.caveats.contains(&Caveat::SingleRun);
        match View::all(comparison).as_slice() {
            [(_, view)] => {
                lines.extend(tables(view, style));
                lines.extend(legend(comparison, view, single, style));
            }
            views => lines.extend(sweep_lines(comparison, views, single, style)),
        }
        lines.extend(verdict_lines(comparison, style));
        lines.extend(where_the_time_went(comparison, style));
    }
    lines.extend(limits(comparison, style));
    lines.extend(knees(comparison, style));
    lines.extend(without_result(comparison, style));
    lines.extend(levelled(comparison, style));
    lines.extend(caveats(comparison, style));
    finish(lines)
}

/// What is to be doubted of runs; empty where nothing is.
pub fn caveat_list(comparison: &Comparison, style: Style) -> String {
    let lines = caveats(comparison, style);
    if lines.is_empty() { String::new() } else { finish(lines) }
}

/// The answer in sentences, its first one loud.
fn answer(comparison: &Comparison, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, sentence) in answer::sentences(comparison).iter().enumerate() {
        let wrapped = wrap(sentence, style.columns(), "", "  ");
        lines.extend(wrapped.into_iter().map(|line| if place == 0 { style.bold(&line) } else { line }));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// The client's times beside the server's own, where servers told them.
fn where_the_time_went(comparison: &Comparison, style: Style) -> Vec<String> {
    let Some(told) = served::narrow_table(comparison) else { return Vec::new() };
    let mut table = plain_table(style);
    table.set_header(told.heads.iter().map(|head| bold_cell(head)));
    for row in &told.rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place >= told.numbers {
            column.set_constraint(ColumnConstraint::ContentWidth);
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines = vec![String::new(), style.bold(&format!("{} (ms):", told.title))];
    lines.extend(table::lines(&table));
    lines.extend(wrap(served::SHORT_NOTE, style.columns(), "", "  "));
    lines
}

/// The highest load of each target, where that was searched for.
fn limits(comparison: &Comparison, style: Style) -> Vec<String> {
    let Some(head) = limit::head(comparison) else { return Vec::new() };
    let mut lines = vec![String::new()];
    lines.extend(wrap(&format!("{head}:"), style.columns(), "", "").iter().map(|line| style.bold(line)));
    for limit in &comparison.limits {
        lines.extend(wrap(&limit::line(limit), style.columns(), "  ", "    "));
    }
    lines
}

/// Where each curve bends, where that was searched for.
fn knees(comparison: &Comparison, style: Style) -> Vec<String> {
    if comparison.knees.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold(&format!("{}:", knee::HEAD))];
    lines.extend(
        comparison.knees.iter().flat_map(|knee| wrap(&knee::line(knee), style.columns(), "  ", "    ")),
    );
    lines
}

/// Backends that failed or are not here, each with what to do.
fn without_result(comparison: &Comparison, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let mut list = |head: &str, entries: Vec<(String, &str)>| {
        if entries.is_empty() {
            return;
        }
        lines.extend([String::new(), style.bold(head)]);
        for (text, hint) in entries {
            lines.extend(wrap(&text, style.columns(), "  ", "    "));
            if !hint.is_empty() {
                lines.extend(wrap(&format!("hint: {hint}"), style.columns(), "    ", "      "));
            }
        }
    };
    let failed = comparison.failed.iter();
    list(
        "Failed:",
        failed.map(|target| (format!("{}: {}", target.label, target.error), &*target.hint)).collect(),
    );
    let skipped = comparison.skipped.iter();
    list(
        "Not run:",
        skipped.map(|target| (format!("{}: {}", target.label, target.reason), &*target.hint)).collect(),
    );
    lines
}

/// What is not level between the backends, and a line for what is.
fn levelled(comparison: &Comparison, style: Style) -> Vec<String> {
    let rows = fairness::lines(comparison);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold("Fairness:")];
    for text in rows {
        lines.extend(wrap(&text, style.columns(), "  - ", "    "));
    }
    lines
}

fn caveats(comparison: &Comparison, style: Style) -> Vec<String> {
    let caveats = doubts::collected(comparison, caveat::sentence);
    if caveats.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), style.bold("Caveats:")];
    for text in caveats {
        lines.extend(wrap(&text, style.columns(), "  - ", "    "));
    }
    lines
}

fn finish(lines: Vec<String>) -> String {
    let mut text: String = lines.join("\n");
    text.push('\n');
    text
}
