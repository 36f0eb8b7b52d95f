//! Several loads: a table a backend, loads down and figures across.

use comfy_table::{CellAlignment, ColumnConstraint, Width};

use super::style::Style;
use super::table::{self, bold_cell, plain_table};
use crate::report::number::{one_line, wrap};
use crate::report::rows::{self, View};
use crate::report::sweep;
use crate::schema::comparison::Comparison;

/// A table a backend, loads down and figures across; as many tables as the width needs.
pub(super) fn sweep_lines(
    comparison: &Comparison,
    views: &[(u32, View<'_>)],
    single: bool,
    style: Style,
) -> Vec<String> {
    let mut lines = Vec::new();
    for sweep in sweep::by_label(comparison, views) {
        lines.extend([String::new(), style.bold(&one_line(sweep.label))]);
        for (number, shown) in sweep.abreast(style.columns()).into_iter().enumerate() {
            if number > 0 {
                lines.push(String::new());
            }
            lines.extend(sweep_table(&sweep, &shown, style));
        }
    }
    lines.push(String::new());
    if sweep::marks_a_best(views) {
        let text =
            format!("* best value of the backends at its load{}.", rows::what_best_means(comparison, single));
        lines.extend(wrap(&text, style.columns(), "", "  "));
    }
    if let Some(basis) = views.iter().find_map(|(_, view)| rows::basis(comparison, view, "under it")) {
        lines.extend(wrap(&basis, style.columns(), "", "  "));
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The loads and some of the figures.
fn sweep_table(sweep: &sweep::Sweep<'_>, shown: &[usize], style: Style) -> Vec<String> {
    let mut table = plain_table(style);
    let columns = || std::iter::once(0).chain(shown.iter().copied());
    table.set_header(columns().map(|column| bold_cell(&sweep.head[column])));
    for row in &sweep.rows {
        table.add_row(columns().map(|column| row[column].as_str()));
    }
    for (place, (index, column)) in columns().zip(table.column_iter_mut()).enumerate() {
        let width = u16::try_from(sweep.width(index) - 1).unwrap_or(u16::MAX);
        column.set_padding((0, sweep::GAP as u16 - 1));
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table::lines(&table)
}
