#!/usr/bin/env bash
# What the client costs and how exact it is, against a bare read loop and a server that knows the truth.
# It takes some ten minutes of an otherwise idle machine; --quick shows in two that it works.
# docs/exactness.md says what the figures mean.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked
cargo build --release --locked --manifest-path benches/floor/Cargo.toml
exec python3 benches/exactness.py "$@"
