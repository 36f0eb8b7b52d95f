//! What the parts of a page share: what it is made of, a section, and labels with their colours.

use super::escape::text;
use super::table::Cell;
use crate::report::chart::ChartSpec;
use crate::schema::comparison::Comparison;
use crate::schema::files::ComparisonFile;

/// Colours that are told apart; beyond them they come again.
pub const COLOURS: usize = 7;

/// What a page is made of.
pub struct PageInput<'a> {
    /// The comparison.
    pub file: &'a ComparisonFile,
    /// Its charts, in order.
    pub charts: &'a [ChartSpec],
}

/// A part of the page with its heading.
pub struct Section {
    /// What a link names.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// HTML.
    pub body: String,
}

/// All labels, in the order that gives each its colour in every picture.
pub struct Labels(pub Vec<String>);

impl Labels {
    /// Those of a comparison.
    pub fn of(comparison: &Comparison) -> Labels {
        let mut labels: Vec<String> = Vec::new();
        for group in &comparison.groups {
            if !labels.contains(&group.label) {
                labels.push(group.label.clone());
            }
        }
        Labels(labels)
    }

    /// A label behind a patch of its colour, as HTML.
    pub fn html(&self, label: &str) -> String {
        let place = self.0.iter().position(|known| known == label);
        let swatch = place.map(|place| format!("<i class=\"swatch {}\"></i>", style_class(place)));
        format!("{}{}", swatch.unwrap_or_default(), text(label))
    }

    /// The same as a cell.
    pub fn cell(&self, label: &str) -> Cell {
        Cell::html(self.html(label))
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The class of what bears the colour of a place.
fn style_class(place: usize) -> String {
    format!("s{}", place % COLOURS)
}
