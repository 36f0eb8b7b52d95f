//! The verdicts of each load, as tables.

use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint};

use super::style::Style;
use super::table::{self, bold_cell, plain_table};
use crate::report::number::{one_line, wrap};
use crate::report::sweep;
use crate::report::verdicts::{self, VerdictRow};
use crate::schema::comparison::Comparison;
use crate::schema::verdict::Verdict;

/// The verdicts of each load; nothing where there is none.
pub(super) fn verdict_lines(comparison: &Comparison, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let points = 1..=comparison.loads.len() as u32;
    for (point, rows) in points.map(|point| (point, verdicts::rows(comparison, point))) {
        if rows.is_empty() {
            continue;
        }
        if lines.is_empty() {
            lines.extend([String::new(), style.bold("Verdicts:")]);
        }
        if comparison.loads.len() > 1 {
            lines.extend([String::new(), one_line(&sweep::load_name(comparison, point))]);
        }
        lines.extend(verdict_table(&rows, style));
    }
    let bands = verdicts::bands(comparison);
    if !bands.is_empty() {
        lines.push(String::new());
        lines.extend(wrap(verdicts::BANDS_HEAD, style.columns(), "", "  "));
        lines.extend(bands.iter().flat_map(|text| wrap(text, style.columns(), "  ", "    ")));
        return lines;
    }
    let legend = verdicts::legend(comparison).filter(|_| !lines.is_empty());
    lines.extend(legend.iter().flat_map(|text| wrap(text, style.columns(), "", "  ")));
    lines
}

fn verdict_table(rows: &[VerdictRow], style: Style) -> Vec<String> {
    let mut table = plain_table(style);
    table.set_header(verdicts::HEAD.map(bold_cell));
    let mut known = "";
    for row in rows {
        let mut cells = row.cells().map(|text| Cell::new(one_line(text)));
        if row.label == known {
            cells[0] = Cell::new("");
        }
        known = &row.label;
        if let Some(colour) = row.is.and_then(verdict_colour) {
            cells[3] = Cell::new(&row.verdict).fg(colour);
        }
        table.add_row(cells);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if place == 1 || place == 2 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if place == 4 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table::lines(&table)
}

/// What differs is coloured.
fn verdict_colour(verdict: Verdict) -> Option<Color> {
    match verdict {
        Verdict::Faster => Some(Color::Green),
        Verdict::Slower => Some(Color::Yellow),
        Verdict::Indistinguishable => None,
    }
}
