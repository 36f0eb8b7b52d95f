//! A row of the table.

use crate::schema::sample::Source;

/// A series' row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Key in files.
    pub name: &'static str,
    /// Short name in heads and axes.
    pub title: &'static str,
    /// `requests`, `share`, `tok`, `W`, `bytes`, …
    pub unit: &'static str,
    /// Whose it is.
    pub source: Source,
    /// What it is.
    pub about: &'static str,
}
