//! A table without lines but the one under its head.

use comfy_table::{Attribute, Cell, ContentArrangement, Table, TableComponent, presets};

use super::style::Style;

/// A table without lines but the one under its head.
pub(super) fn plain_table(style: Style) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(style.columns()).unwrap_or(u16::MAX));
    if style.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

/// A cell of the head.
pub(super) fn bold_cell(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

/// The table's lines, without the blanks at their ends.
pub(super) fn lines(table: &Table) -> Vec<String> {
    table.trim_fmt().lines().map(|line| line.trim_end().to_owned()).collect()
}
