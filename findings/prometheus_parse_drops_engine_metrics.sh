#!/usr/bin/env bash
# The Rust crate prometheus-parse passes over every sample of vLLM, SGLang and llama.cpp, and says nothing.
#
# Package  prometheus-parse 0.2.5 (crates.io)
# Guess    A parser of the Prometheus text format reads `vllm:generation_tokens_total`, since the format allows a colon
#          in a name; or it gives an error.
# Seen     A line whose name holds a colon is left out, and so is a line with a brace in a label's value; the rest of
#          the page is read and the result is Ok.
# Matters  All engines but TGI put a colon into every name (vllm:, sglang:, llamacpp:): the page reads as one without
#          a single counter of the engine, which looks like a server that counts nothing.
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
prometheus-parse = "=0.2.5"
TOML
cat >"$work/src/main.rs" <<'RUST'
fn main() {
    let page = "\
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{model_name=\"m\"} 120
llamacpp:tokens_predicted_total 4
tokens_total{path=\"/v1/{model}\"} 5
tgi_request_count 7
";
    let lines = page.lines().map(|line| Ok(line.to_owned()));
    let scrape = prometheus_parse::Scrape::parse(lines).expect("a valid page was refused");
    let names: Vec<&str> = scrape.samples.iter().map(|sample| sample.metric.as_str()).collect();
    println!("4 samples in the page, read without an error: {names:?}");
    std::process::exit((names != ["tgi_request_count"]) as i32);
}
RUST
(cd "$work" && CARGO_TARGET_DIR="$work/target" cargo build -q) || exit 2
"$work/target/debug/see" || { echo "no longer so"; exit 1; }
echo "still so"
