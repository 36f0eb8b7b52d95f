//! `_requests.csv`, read back: what is left of a run whose records were deleted.

use std::path::Path;

use anyhow::{Context, Result};

/// TTFT of each completed measured request of a `_requests.csv`, ms.
///
/// # Errors
/// There is no such file, or it cannot be read.
pub fn read_ttft_ms(path: &Path) -> Result<Vec<f64>> {
    let context = || format!("cannot read {}", path.display());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).with_context(context)?;
    let columns = reader.byte_headers().with_context(context)?.clone();
    let mut ttft_ms = Vec::new();
    for row in reader.byte_records() {
        let row = row.with_context(context)?;
        let cell = |name: &str| {
            let place = columns.iter().position(|column| column == name.as_bytes())?;
            std::str::from_utf8(row.get(place)?).ok()
        };
        if cell("phase") == Some("measured") {
            let value = cell("ttft_ms").and_then(|cell| cell.parse().ok());
            ttft_ms.extend(value.filter(|value: &f64| value.is_finite() && *value >= 0.0));
        }
    }
    Ok(ttft_ms)
}
