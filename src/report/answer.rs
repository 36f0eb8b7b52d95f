//! The answer in sentences: who serves how much more than whom, and how sure that is.

use crate::schema::comparison::Comparison;

/// The answer, the first sentence of it in one. Plain text, with labels as the user gave them: escape it for a page.
pub fn sentences(comparison: &Comparison) -> Vec<String> {
    if comparison.runs.is_empty() {
        return vec!["No backend gave a result.".to_owned()];
    }
    Vec::new()
}
