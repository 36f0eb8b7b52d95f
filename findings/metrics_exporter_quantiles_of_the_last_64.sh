#!/usr/bin/env bash
# The Rust crate metrics-exporter-prometheus makes its quantiles of the last 64 values or fewer since the last scrape.
#
# Package  metrics-exporter-prometheus 0.18.3, metrics 0.24.6 (crates.io)
# Guess    A histogram without buckets is exported as a summary over the last minute: its p99 is that of the requests of this
#          minute.
# Seen     960 latencies of 1 s, then 40 of 0.01 s, within a few milliseconds: `_count` and `_sum` hold all, the quantiles 0 to
#          1 are all 0.01. With 64 values in all they are of all, with 65 of one. Values are kept in blocks of 64 and read
#          from the newest block on; those of the older blocks are taken as older than the summary, and only counted. The
#          same values rendered after each 50 give 1 s for the median and the p99.
# Matters  The more requests a server gets between two scrapes (or upkeeps, each 5 s), the less of them is in its p99: one slow
#          burst before the last 64 is not in it at all. It agrees with no other figure. With buckets all are counted.
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
metrics = "=0.24.6"
metrics-exporter-prometheus = { version = "=0.18.3", default-features = false }
TOML
cat >"$work/src/main.rs" <<'RUST'
use metrics::{histogram, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

/// Records the values, renders after each `every` of them, and shows count, sum, minimum, median, p99 and maximum at the end.
fn show(name: &str, values: &[f64], every: usize) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || {
        for some in values.chunks(every) {
            some.iter().for_each(|value| histogram!("latency").record(*value));
            handle.render();
        }
    });
    let page = handle.render();
    let read = |start: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(start)).expect("a line of the summary");
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    let quantile = |share: &str| read(&format!("latency{{quantile=\"{share}\"}}"));
    println!(
        "{name}: count {}, sum {:.1}, minimum {:.2}, median {:.2}, p99 {:.2}, maximum {:.2}",
        read("latency_count"), read("latency_sum"), quantile("0"), quantile("0.5"), quantile("0.99"), quantile("1"),
    );
}

fn main() {
    let values = [vec![1.0; 960], vec![0.01; 40]].concat();
    show("rendered once", &values, 1000);
    show("rendered after each 50", &values, 50);
    show("63 of 1 s, one of 0.01", &[vec![1.0; 63], vec![0.01; 1]].concat(), 1000);
    show("64 of 1 s, one of 0.01", &[vec![1.0; 64], vec![0.01; 1]].concat(), 1000);
}
RUST
seen=$(CARGO_TARGET_DIR="$work/target" cargo run -q --manifest-path "$work/Cargo.toml") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
rendered once: count 1000, sum 960.4, minimum 0.01, median 0.01, p99 0.01, maximum 0.01
rendered after each 50: count 1000, sum 960.4, minimum 0.01, median 1.00, p99 1.00, maximum 1.00
63 of 1 s, one of 0.01: count 64, sum 63.0, minimum 0.01, median 1.00, p99 1.00, maximum 1.00
64 of 1 s, one of 0.01: count 65, sum 64.0, minimum 0.01, median 0.01, p99 0.01, maximum 0.01
TEXT
echo "still so"
