//! A column of a table: head and row are two maps over one list of them.

/// A column's name and the cell that it has in a row made of a `T`.
pub(super) struct Column<'a, T> {
    name: String,
    cell: Box<dyn Fn(&T) -> String + 'a>,
}

/// A column.
pub(super) fn column<'a, T>(name: impl Into<String>, cell: impl Fn(&T) -> String + 'a) -> Column<'a, T> {
    Column { name: name.into(), cell: Box::new(cell) }
}

/// The names.
pub(super) fn head<T>(columns: &[Column<'_, T>]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// The cells of one row.
pub(super) fn row<T>(columns: &[Column<'_, T>], source: &T) -> impl Iterator<Item = String> {
    columns.iter().map(move |column| (column.cell)(source))
}
