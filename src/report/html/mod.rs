//! report.html: the answer, the ranking, the doubts, charts that answer to a hand, every run, and how to repeat it; one
//! file that asks nobody for anything.
//!
//! `page` is the frame with its style, program and policy; `part` is what all parts share, `escape` lets no text act; the
//! other files are its sections.

mod escape;
mod fairness;
mod figures;
mod method;
mod page;
mod part;
mod ranking;
mod runs;
mod served;
mod slices;
mod table;
#[cfg(test)]
mod tests;

pub use self::part::PageInput;
use self::part::{Labels, Section};

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
        ranking::knees(comparison, &labels),
        figures::without_result(comparison, &labels),
        figures::caveats(comparison),
        fairness::section(comparison, &labels),
        slices::section(comparison),
        served::section(comparison),
        page::charts(input.charts),
        figures::section(comparison),
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
