#!/usr/bin/env bash
# The project's test command: format, lints, docs, all tests; with arguments, those of `cargo test` instead of all.
# Real-engine tests run where the engine is installed (`harness install llamacpp tryout-model`) and say so where
# they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all -- --check
cargo clippy --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
if [ $# -gt 0 ]; then
  exec cargo test --locked "$@"
fi
# Those that wait for processes most of their time, three to a core; the others keep time, and get a core each.
waiting=(cli lifecycle)
others=()
for path in tests/*.rs tests/*/main.rs; do
  name=${path#tests/}
  name=${name%/main.rs}
  name=${name%.rs}
  [[ " ${waiting[*]} " == *" $name "* ]] || others+=(--test "$name")
done
# Their programs, which tests/examples.rs runs: a plain `cargo test` builds them by itself.
cargo build --locked --bins --examples
cargo test --locked --lib --bins "${others[@]}"
cargo test --locked --doc
RUST_TEST_THREADS=$((3 * $(nproc))) cargo test --locked "${waiting[@]/#/--test=}"
