//! What a sensor showed at one time.

use std::collections::BTreeMap;

use crate::schema::served::{Buckets, ServerTime};

/// What a sensor showed, of one device where it has several.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which of several devices.
    pub device: Option<u32>,
    /// Values by the names of [`crate::schema::series::all`].
    pub values: BTreeMap<String, f64>,
    /// The server's own histograms, where they were read.
    pub histograms: BTreeMap<ServerTime, Buckets>,
    /// Lines of a page that could not be read.
    pub broken_lines: u64,
}
