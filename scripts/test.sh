#!/usr/bin/env bash
# The project's test command: format, lints, docs, all tests. Real-engine tests run where the engine is
# installed (`harness install llamacpp tryout-model`) and say so where they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all -- --check
cargo clippy --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
cargo test --locked "$@"
