#!/usr/bin/env bash
# From nothing to a real comparison: builds harness, installs llama.cpp and a small model (once), and
# compares every engine that is here. `--all` installs vLLM and SGLang too; what follows `--` goes to
# `harness compare`.
set -euo pipefail
cd "$(dirname "$0")/.."

engines=(llamacpp)
compare=()
while [ $# -gt 0 ]; do
  case "$1" in
    --all) engines+=(vllm sglang) ;;
    --) shift; compare=("$@"); break ;;
    -h|--help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) echo "quickstart.sh: unknown argument '$1' (known: --all, -- FLAGS OF COMPARE)" >&2; exit 2 ;;
  esac
  shift
done

missing=0
need() { # need PROGRAM… -- WHAT IT IS: any one of the programs will do
  local programs=()
  while [ "$1" != -- ]; do programs+=("$1"); shift; done
  for program in "${programs[@]}"; do command -v "$program" >/dev/null 2>&1 && return; done
  echo "quickstart.sh: needs $2" >&2
  missing=1
}
need cargo -- "a Rust toolchain (https://rustup.rs)"
need python3 -- "Python 3.10 or newer (Debian, Ubuntu: apt install python3)"
need c++ g++ clang++ -- "a C++ compiler (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)"
need cc gcc clang -- "a C compiler (Debian, Ubuntu: apt install gcc; Fedora: dnf install gcc)"
if command -v python3 >/dev/null 2>&1 && ! command -v uv >/dev/null 2>&1; then
  python3 -c 'import venv, ensurepip' 2>/dev/null ||
    { echo "quickstart.sh: needs Python's venv or uv (Debian, Ubuntu: apt install python3-venv)" >&2; missing=1; }
fi
[ "$missing" = 0 ] || exit 2

echo "== building harness (some minutes the first time)"
cargo build --release --locked
echo "== installing ${engines[*]} and the model to try (llama.cpp compiles for 5 to 20 minutes the first time)"
target/release/harness install "${engines[@]}" tryout-model
echo "== comparing every engine that is here"
exec target/release/harness compare --backend all "${compare[@]+"${compare[@]}"}"
