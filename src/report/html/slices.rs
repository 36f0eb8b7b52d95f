//! Parts of runs by turn, model and endpoint.

use super::escape::text;
use super::part::Section;
use super::table::{Cell, Head, Table};
use crate::report::slices::{self, TextTable};
use crate::schema::comparison::Comparison;

/// The tables; none where no run has parts.
pub fn section(comparison: &Comparison) -> Option<Section> {
    let tables = slices::tables(comparison);
    if tables.is_empty() {
        return None;
    }
    let tables: String = tables.into_iter().map(text_table).collect();
    let body = format!("{tables}<p class=\"note\">{}</p>\n", text(slices::NOTE));
    Some(Section { id: "parts", title: "Parts", body })
}

/// A table of words and numbers.
pub fn text_table(table: TextTable) -> String {
    let head = |(place, name): (usize, &String)| match place < table.numbers {
        true => Head::words(name),
        false => Head::number(name.clone()),
    };
    let heads = table.heads.iter().enumerate().map(head).collect();
    let rows = table.rows.iter().map(|row| row.iter().map(|cell| Cell::words(cell)).collect()).collect();
    Table { caption: table.title, heads, rows, sortable: false }.html()
}
