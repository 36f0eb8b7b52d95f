//! Reads what a run wrote, as values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(Result::unwrap).collect()
}

/// The lines of a file of records, closed or not: header, records, footer where it was closed.
pub fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_closed = path.extension().is_some_and(|extension| extension == "zst");
    let bytes = if is_closed { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

/// The header of a file of records.
pub fn header(path: &Path) -> Value {
    serde_json::from_str(&lines(path)[0]).unwrap()
}
