//! What a sensor showed at one time.

use std::collections::BTreeMap;

/// What a sensor showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Values by the names of [`crate::schema::sample::SERIES`].
    pub values: BTreeMap<String, f64>,
    /// Lines of a page that could not be read.
    pub broken_lines: u64,
}
