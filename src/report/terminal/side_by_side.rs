//! One load: backends across, figures down.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, Table, Width};
use unicode_width::UnicodeWidthStr;

use super::style::Style;
use super::table::{self, bold_cell, plain_table};
use crate::report::number::{one_line, wrap};
use crate::report::rows::{self, Column, Row, View, rows};
use crate::schema::comparison::Comparison;

/// Narrowest column of a backend in the table, padding included.
const BACKEND_COLUMNS: usize = 11;

/// As many tables as the width needs.
pub(super) fn tables(view: &View<'_>, style: Style) -> Vec<String> {
    let rows = rows(view);
    let count = view.columns.len();
    let numbers = (0..count).map(|column| number_columns(&rows, column)).max().unwrap_or(0);
    let narrowest = BACKEND_COLUMNS.max(numbers + 1);
    let abreast = (style.columns().saturating_sub(head_columns(&rows)) / narrowest).max(1);
    let mut lines = Vec::new();
    let mut from = 0;
    while from < count {
        let to = (from + abreast).min(count);
        if from > 0 {
            lines.push(String::new());
        }
        lines.extend(table::lines(&table(view, &rows, from..to, style)));
        from = to;
    }
    lines
}

fn table(view: &View<'_>, rows: &[Row], shown_columns: std::ops::Range<usize>, style: Style) -> Table {
    let mut table = plain_table(style);
    let labels = view.columns[shown_columns.clone()].iter().map(|column| {
        let partial = if column.partial().is_some() { " (partial)" } else { "" };
        bold_cell(&format!("{}{partial}  ", column_label(column)))
    });
    table.set_header(std::iter::once(Cell::new("")).chain(labels));
    for row in rows {
        let cells = row.cells[shown_columns.clone()].iter().map(|cell| {
            let text = Cell::new(shown(cell));
            if cell.best { text.add_attribute(Attribute::Bold).fg(Color::Green) } else { text }
        });
        table.add_row(std::iter::once(Cell::new(&row.head)).chain(cells));
    }
    // In a terminal too narrow for a number it is broken rather than the line.
    let most = style.columns().saturating_sub(head_columns(rows) + 1);
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 {
            column.set_constraint(ColumnConstraint::ContentWidth).set_padding((0, 2));
        } else {
            let numbers = number_columns(rows, shown_columns.start + index - 1).min(most);
            let lower = Width::Fixed(u16::try_from(numbers).unwrap_or(u16::MAX));
            column.set_constraint(ColumnConstraint::LowerBoundary(lower)).set_padding((0, 1));
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A run's label over its column. A pretend engine's ends in the same part as all of them, which goes to a line
/// of its own: the columns stay as narrow as those of real engines.
fn column_label(column: &Column<'_>) -> String {
    let label = one_line(&column.group.label);
    match label.rsplit_once('-') {
        Some((own, shared)) if column.is_simulated() => format!("{own}-\n{shared}"),
        Some(_) | None => label,
    }
}

/// Columns of the rows' heads with their padding.
fn head_columns(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.head.width()).max().unwrap_or(0) + 2
}

/// Columns that a run's numbers need with their padding; versions and names may be broken.
fn number_columns(rows: &[Row], column: usize) -> usize {
    let widths = rows.iter().filter(|row| row.head.contains('(') || row.head == "Completed");
    widths
        .filter_map(|row| row.cells.get(column))
        .map(|cell| shown(cell).lines().map(UnicodeWidthStr::width).max().unwrap_or(0) + 2)
        .max()
        .unwrap_or(0)
}

fn shown(cell: &rows::Cell) -> String {
    // A blank keeps the digits of one column under each other where another row has the mark.
    let value = if cell.best { format!("{} *", cell.text) } else { format!("{}  ", cell.text) };
    match &cell.range {
        // A range ends where the mark of the value does: the columns stay narrow.
        Some(range) => format!("{value}\n{range}"),
        None => value,
    }
}

/// What the marks and the figures under each other mean.
pub(super) fn legend(comparison: &Comparison, view: &View<'_>, single: bool, style: Style) -> Vec<String> {
    let (lower, higher) = rows::marked(view);
    let part = |titles: &[&str], word: &str| match titles {
        [] => None,
        titles => Some(format!("{word} is better: {}", titles.join(", "))),
    };
    let parts: Vec<String> = [part(&higher, "higher"), part(&lower, "lower")].into_iter().flatten().collect();
    let mut lines = Vec::new();
    if !parts.is_empty() {
        let means = rows::what_best_means(comparison, single);
        let text = format!("* best value of its row{means} ({}).", parts.join("; "));
        lines.extend(wrap(&text, style.columns(), "", "  "));
    }
    if let Some(basis) = rows::basis(comparison, view, "under it") {
        lines.extend(wrap(&basis, style.columns(), "", "  "));
    }
    lines
}
