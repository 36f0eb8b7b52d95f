//! The levelling table: what every server was given and what it is, side by side.

use super::escape::text;
use super::part::{Labels, Section};
use super::table::{Cell, Head, Table};
use crate::schema::comparison::Comparison;
use crate::schema::fairness::{FairnessRow, Finding};

/// The table; none where nothing was levelled.
pub fn section(comparison: &Comparison, labels: &Labels) -> Option<Section> {
    let fairness = comparison.fairness.as_ref().filter(|fairness| !fairness.rows.is_empty())?;
    // A backend without a result may be in the table too.
    let mut shown: Vec<&str> = labels.0.iter().map(String::as_str).collect();
    for label in fairness.rows.iter().flat_map(|row| row.by_label.keys()) {
        if !shown.contains(&label.as_str()) {
            shown.push(label);
        }
    }
    let mut heads = vec![Head::words("What")];
    heads.extend(shown.iter().map(|label| Head::words(label)));
    heads.push(Head::words("Finding"));
    let rows = fairness.rows.iter().map(|row| cells(row, &shown)).collect();
    let caption = "What was the same for every server, and what was not".to_owned();
    let table = Table { caption, heads, rows, sortable: false };
    Some(Section { id: "fairness", title: "Fairness", body: table.html() })
}

fn cells(row: &FairnessRow, shown: &[&str]) -> Vec<Cell> {
    let mut cells = vec![Cell::words(&row.what)];
    cells.extend(shown.iter().map(|label| {
        let value = row.by_label.get(*label).map(String::as_str).unwrap_or("–");
        Cell { class: "wrap", ..Cell::words(value) }
    }));
    let (word, class) = match row.finding {
        Finding::Level => ("level", "same"),
        Finding::Unknown => ("unknown", "unknown"),
        Finding::Differs => ("differs", "slower"),
        Finding::NotComparable => ("not comparable", "not"),
    };
    let why = if row.why.is_empty() { String::new() } else { format!(" {}", text(&row.why)) };
    let html = format!("<span class=\"badge {class}\">{word}</span>{why}");
    cells.push(Cell { class: "wrap", ..Cell::html(html) });
    cells
}
