#!/usr/bin/env bash
# One `#[serde(flatten)]` takes the place of an error from serde_path_to_error, and the unknown keys from serde_ignored.
#
# Package  serde 1.0.229, serde_json 1.0.154, serde_path_to_error 0.1.20, serde_ignored 0.1.14 (crates.io)
# Guess    The two wrap whatever Deserializer is used, so they work for every derived struct: the first names the field of an
#          error, the second each key that no field takes.
# Seen     A wrong value in line 4 of 8: the path is `load.slo.ttft_ms`, the line 4. With flatten the path is `.`, however deep
#          it lies, and the line is the last. A misspelt key `concurency` is reported; with flatten it is neither reported
#          nor refused, also where the flattened struct has deny_unknown_fields.
# Matters  Parameters of engines are often flattened into a server's section. The misspelt one is left out of the run without
#          a word, and the wrong one is "invalid type … at line 80" of a file of 80 lines.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "see"
version = "0.0.0"
edition = "2021"

[dependencies]
serde = { version = "=1.0.229", features = ["derive"] }
serde_ignored = "=0.1.14"
serde_json = "=1.0.154"
serde_path_to_error = "=0.1.20"
TOML
cat >"$work/src/main.rs" <<'RUST'
use serde::{de::DeserializeOwned, Deserialize};

#[derive(Deserialize)]
#[allow(dead_code)]
struct Slo {
    ttft_ms: f64,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Strict {
    slo: Slo,
}
#[derive(Deserialize)]
#[allow(dead_code)]
struct Load {
    slo: Slo,
}
#[derive(Deserialize)]
#[allow(dead_code)]
struct Nested {
    name: String,
    load: Load,
}
#[derive(Deserialize)]
#[allow(dead_code)]
struct Flat {
    name: String,
    #[serde(flatten)]
    load: Load,
}
#[derive(Deserialize)]
#[allow(dead_code)]
struct FlatStrict {
    name: String,
    #[serde(flatten)]
    load: Strict,
}

fn path<T: DeserializeOwned>(text: &str) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => "no error".to_owned(),
        Err(error) => format!("`{}`, line {}", error.path(), error.inner().line()),
    }
}

fn ignored<T: DeserializeOwned>(text: &str) -> String {
    let mut keys = Vec::new();
    let read: Result<T, _> =
        serde_ignored::deserialize(&mut serde_json::Deserializer::from_str(text), |key| keys.push(key.to_string()));
    format!("{keys:?}, {}", if read.is_ok() { "read" } else { "refused" })
}

fn main() {
    let nested = "{\n\"name\": \"a\",\n\"load\": {\n\"slo\": {\"ttft_ms\": \"fast\"}\n},\n\"note\": 1,\n\"more\": 2\n}\n";
    let flat = "{\n\"name\": \"a\",\n\n\"slo\": {\"ttft_ms\": \"fast\"},\n\n\"note\": 1,\n\"more\": 2\n}\n";
    println!("wrong value in line 4, nested: {}", path::<Nested>(nested));
    println!("wrong value in line 4, flattened: {}", path::<Flat>(flat));
    let misspelt = |open: &str, close: &str| {
        format!("{{\"name\": \"a\", {open}\"slo\": {{\"ttft_ms\": 1}}, \"concurency\": 5{close}}}")
    };
    println!("misspelt key, nested: {}", ignored::<Nested>(&misspelt("\"load\": {", "}")));
    println!("misspelt key, flattened: {}", ignored::<Flat>(&misspelt("", "")));
    println!("misspelt key, flattened and strict: {}", ignored::<FlatStrict>(&misspelt("", "")));
}
RUST
seen=$(CARGO_TARGET_DIR="$work/target" cargo run -q --manifest-path "$work/Cargo.toml") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
wrong value in line 4, nested: `load.slo.ttft_ms`, line 4
wrong value in line 4, flattened: `.`, line 8
misspelt key, nested: ["load.concurency"], read
misspelt key, flattened: [], read
misspelt key, flattened and strict: [], read
TEXT
echo "still so"
