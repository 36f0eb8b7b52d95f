#!/usr/bin/env bash
# From nothing to a real comparison: builds harness, installs llama.cpp and a small model (once), and
# compares every engine that is here. `--all` installs vLLM and SGLang too; what follows `--` goes to
# `harness compare`. On a machine with a GPU llama.cpp is compiled, which needs a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

engines=(llamacpp)
compare=()
while [ $# -gt 0 ]; do
  case "$1" in
    --all) engines+=(vllm sglang) ;;
    --) shift; compare=("$@"); break ;;
    -h|--help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
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
need cc gcc clang -- "a C compiler, for two of the Rust packages (Debian, Ubuntu: apt install gcc; Fedora: dnf install gcc)"
if command -v nvidia-smi >/dev/null 2>&1; then
  need c++ g++ clang++ -- "a C++ compiler (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)"
fi
if command -v python3 >/dev/null 2>&1 && ! command -v uv >/dev/null 2>&1; then
  python3 -c 'import venv, ensurepip' 2>/dev/null ||
    { echo "quickstart.sh: needs Python's venv or uv (Debian, Ubuntu: apt install python3-venv)" >&2; missing=1; }
fi
[ "$missing" = 0 ] || exit 2

# Measured on two idle cores; the build's parallel part grows with the cores to about eight.
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
shared=$((cores < 8 ? cores : 8))
building="about $(((690 / shared + 59) / 60 )) min the first time on these $cores cores"
installing="about 10 s and 200 MB"
if command -v nvidia-smi >/dev/null 2>&1; then installing="about $((2900 / cores / 60 + 1)) min the first time: llama.cpp compiles for the GPU"; fi
if [ ${#engines[@]} -gt 1 ]; then installing="$installing; vLLM and SGLang: 2 to 10 min, 12 GB, by the network"; fi

echo "== building harness ($building)"
cargo build --release --locked
echo "== installing ${engines[*]} and the model to try ($installing)"
target/release/harness install "${engines[@]}" tryout-model
echo "== comparing every engine that is here (24 requests each: about a minute an engine on two cores)"
exec target/release/harness compare --backend all "${compare[@]+"${compare[@]}"}"
