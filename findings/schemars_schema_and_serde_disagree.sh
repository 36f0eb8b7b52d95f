#!/usr/bin/env bash
# A schema that schemars makes of a struct passes files that serde refuses, and refuses files that serde takes.
#
# Package  schemars 1.2.3, serde 1.0.229, serde_json 1.0.154 (crates.io), jsonschema 4.26.0 (PyPI)
# Guess    The schema and the reader come from one struct, so a file that passes in an editor or in CI can be read.
# Seen     The schema passes 10.0 and 1e3 for a u32, since JSON Schema takes them for integers, serde refuses them. It passes
#          5000000000 for a u32: its `format` is no limit. It passes a Duration with a key too many, which serde refuses with
#          no deny_unknown_fields asked for. It refuses an array of the fields in their order, which serde takes for an object.
# Matters  pandas writes a count as 10.0 once a row lacks it, and some writers put 1e3 for 1000: a config or trace that passed
#          CI's schema stops the run. What has lost its field names is read, by position, as if it were right.
set -euo pipefail
command -v cargo >/dev/null || { echo "needs cargo" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check jsonschema==4.26.0 || exit 2
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "see"
version = "0.0.0"
edition = "2021"

[dependencies]
schemars = "=1.2.3"
serde = { version = "=1.0.229", features = ["derive"] }
serde_json = "=1.0.154"
TOML
cat >"$work/src/main.rs" <<'RUST'
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{json, Value};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Load {
    requests: u32,
    rate: f64,
    wait: std::time::Duration,
}

fn main() {
    let whole = |requests: &str, wait: &str| format!(r#"{{"requests": {requests}, "rate": 1.5, "wait": {wait}}}"#);
    let second = r#"{"secs": 1, "nanos": 0}"#;
    let files = [
        ("a right one", whole("10", second)),
        ("requests 10.0", whole("10.0", second)),
        ("requests 1e3", whole("1e3", second)),
        ("requests 5000000000", whole("5000000000", second)),
        ("a Duration with days", whole("10", r#"{"secs": 1, "nanos": 0, "days": 1}"#)),
        ("an array", r#"[10, 1.5, [1, 0]]"#.to_owned()),
    ];
    let files: Vec<Value> = files
        .iter()
        .map(|(name, text)| json!({"name": name, "text": text, "serde": serde_json::from_str::<Load>(text).is_ok()}))
        .collect();
    println!("{}", json!({"schema": schemars::schema_for!(Load), "files": files}));
}
RUST
cat >"$work/see.py" <<'PYTHON'
import json
import sys
import jsonschema

read = json.load(sys.stdin)
validator = jsonschema.Draft202012Validator(read["schema"])
for file in read["files"]:
    valid = validator.is_valid(json.loads(file["text"]))
    print(f"{file['name']}: the schema {'passes' if valid else 'refuses'}, serde {'takes' if file['serde'] else 'refuses'}")
PYTHON
CARGO_TARGET_DIR="$work/target" cargo run -q --manifest-path "$work/Cargo.toml" >"$work/read" || exit 2
seen=$("$work/venv/bin/python" "$work/see.py" <"$work/read") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
a right one: the schema passes, serde takes
requests 10.0: the schema passes, serde refuses
requests 1e3: the schema passes, serde refuses
requests 5000000000: the schema passes, serde refuses
a Duration with days: the schema passes, serde refuses
an array: the schema refuses, serde takes
TEXT
echo "still so"
