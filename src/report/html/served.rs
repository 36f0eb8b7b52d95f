//! The client's times beside the server's own.

use super::escape::text;
use super::part::Section;
use super::slices::text_table;
use crate::report::served;
use crate::schema::comparison::Comparison;

/// The table; none where no server told its times.
pub fn section(comparison: &Comparison) -> Option<Section> {
    let table = text_table(served::table(comparison)?);
    let body = format!("{table}<p class=\"note\">{}</p>\n", text(served::NOTE));
    Some(Section { id: "where-the-time-went", title: served::TITLE, body })
}
