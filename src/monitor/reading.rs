//! What a sensor showed at one time.

use std::collections::BTreeMap;

/// What a sensor showed, of one device where it has several.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which of several devices.
    pub device: Option<u32>,
    /// Values by the names of [`crate::schema::series::all`].
    pub values: BTreeMap<String, f64>,
    /// Lines of a page that could not be read.
    pub broken_lines: u64,
}
