//! report.html: the answer, the ranking, the doubts, charts that answer to a hand, every run, and how to repeat it; one
//! file that asks nobody for anything.
//!
//! `page` is the frame with its style, program and policy; `escape` lets no text act; the other files are its sections.

mod escape;
mod fairness;
mod figures;
mod method;
mod page;
mod ranking;
mod runs;
mod table;
#[cfg(test)]
mod tests;

use self::escape::text;
use self::table::Cell;
use super::chart::ChartSpec;
use crate::schema::comparison::Comparison;
use crate::schema::files::ComparisonFile;

/// What a page is made of.
pub struct PageInput<'a> {
    /// The comparison.
    pub file: &'a ComparisonFile,
    /// Its charts, in order.
    pub charts: &'a [ChartSpec],
    /// The answer in sentences, as plain text.
    pub answer: &'a [String],
}

/// The page, whole.
///
/// # Errors
/// When a chart has no form in JSON.
pub fn report_html(input: &PageInput<'_>) -> anyhow::Result<String> {
    let comparison = &input.file.comparison;
    let labels = Labels::of(comparison);
    let sections: Vec<Section> = [
        ranking::section(comparison, &labels),
        ranking::limits(comparison, &input.file.plan.objectives, &labels),
        figures::without_result(comparison, &labels),
        figures::caveats(comparison),
        fairness::section(comparison, &labels),
        page::charts(input.charts),
        figures::section(comparison, &labels),
        runs::section(comparison, &labels),
        method::section(input.file),
        method::repeat(input.file),
        figures::glossary(comparison),
    ]
    .into_iter()
    .flatten()
    .collect();
    page::page(input, &labels, &sections)
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
pub struct Labels(Vec<String>);

impl Labels {
    fn of(comparison: &Comparison) -> Labels {
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
        let swatch = place.map(|place| format!("<i class=\"swatch {}\"></i>", page::style_class(place)));
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
