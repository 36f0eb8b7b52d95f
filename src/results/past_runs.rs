//! Earlier runs, as the file of all runs holds them.

use std::path::Path;

use anyhow::{Context, Result};

use crate::schema::text::read_cell;

/// An earlier run, as the file of all runs holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// The target's label.
    pub label: String,
    /// The model's name.
    pub model: String,
    /// Requests in flight, where they were bounded.
    pub concurrency: Option<u32>,
    /// Requests a second of an open loop.
    pub rate: Option<f64>,
    /// Requests issued.
    pub issued: u64,
    /// The measured phase, s.
    pub duration_s: f64,
    /// From launch to readiness, s.
    pub ready_s: Option<f64>,
}

/// A time that can be one.
fn seconds(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}

/// The runs of `file` in the order of its rows; none where it is not there. A row without a run, or of another
/// form, is passed over.
///
/// # Errors
/// The file is there and cannot be read.
pub fn past_runs(directory: &Path, file: &str) -> Result<Vec<PastRun>> {
    let path = directory.join(file);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let context = || format!("cannot read {}", path.display());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&path).with_context(context)?;
    let columns = reader.byte_headers().with_context(context)?.clone();
    let mut runs = Vec::new();
    for row in reader.byte_records() {
        let row = row.with_context(context)?;
        let cell = |name: &str| {
            let place = columns.iter().position(|column| column == name.as_bytes())?;
            // What an editor saved in another encoding is passed over.
            std::str::from_utf8(row.get(place)?).ok().map(read_cell).filter(|cell| !cell.is_empty())
        };
        let run = || {
            Some(PastRun {
                label: cell("backend")?.to_owned(),
                model: cell("model")?.to_owned(),
                concurrency: cell("concurrency").and_then(|cell| cell.parse().ok()),
                rate: cell("rate").and_then(|cell| cell.parse().ok()),
                issued: cell("requests_issued")?.parse().ok()?,
                duration_s: cell("duration_s").and_then(seconds)?,
                ready_s: cell("ready_s").and_then(seconds),
            })
        };
        runs.extend(run());
    }
    Ok(runs)
}
