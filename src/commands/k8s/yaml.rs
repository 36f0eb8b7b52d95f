//! How YAML is written.

use anyhow::Context;
use serde::Serialize;

/// YAML as kubectl reads it, which is that of version 1.1: `on` and `1_0` stand in quotes.
pub fn yaml<T: Serialize>(value: &T) -> anyhow::Result<String> {
    let options = serde_saphyr::ser_options! { compact_list_indent: true };
    serde_saphyr::to_string_with_options(value, options).context("cannot be written as YAML")
}
