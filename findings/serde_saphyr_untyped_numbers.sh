#!/usr/bin/env bash
# serde-saphyr reads one YAML number in two ways: by the field's type, and otherwise where the type is open.
#
# Package  serde-saphyr 2.1.1, serde_json 1.0.154 (crates.io)
# Guess    A number reads alike into an f64, into a u64 and into a value whose type is open (serde_json::Value, an
#          untagged enum). YAML's `.inf` is a float everywhere.
# Seen     `.inf` fills an f64 and makes a whole document with an open value unreadable. `010` is 10.0 in an f64 and in
#          an open value, and refused by an integer. `1_000` and `0x1F` are integers, also in an open value, but an
#          f64 refuses them. A quoted 'yes' fills a bool.
# Matters  Parameters of engines in a YAML file have open types, rates are floats: "no limit" cannot be written there,
#          and a rate of 1_000 is refused beside a count of 1_000 that is taken.
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
serde = "=1.0.229"
serde_json = "=1.0.154"
serde-saphyr = { version = "=2.1.1", default-features = false, features = ["deserialize"] }
TOML
cat >"$work/src/main.rs" <<'RUST'
use std::{collections::BTreeMap, fmt::Debug};

fn read<T: serde::de::DeserializeOwned + Debug>(scalar: &str) -> String {
    match serde_saphyr::from_str::<BTreeMap<String, T>>(&format!("v: {scalar}\n")) {
        Ok(map) => format!("{:?}", map["v"]),
        Err(_) => "refused".to_owned(),
    }
}

fn main() {
    for scalar in [".inf", "010", "1_000", "0x1F"] {
        let (float, integer) = (read::<f64>(scalar), read::<u64>(scalar));
        println!("{scalar} f64={float} u64={integer} open={}", read::<serde_json::Value>(scalar));
    }
    println!("'yes' bool={}", read::<bool>("'yes'"));
}
RUST
seen=$(cargo run -q --manifest-path "$work/Cargo.toml") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
.inf f64=inf u64=refused open=refused
010 f64=10.0 u64=refused open=Number(10.0)
1_000 f64=refused u64=1000 open=Number(1000)
0x1F f64=refused u64=31 open=Number(31)
'yes' bool=true
TEXT
echo "still so"
