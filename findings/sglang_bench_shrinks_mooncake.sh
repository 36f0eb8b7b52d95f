#!/usr/bin/env bash
# SGLang's benchmark replays a Mooncake trace with prompts of a quarter of their length, and never reads input_length.
#
# Package  sglang 0.5.23 (PyPI: sglang.benchmark, `--dataset-name mooncake`)
# Guess    A replay of the trace sends prompts of the traced lengths: input_length tokens, 512 for each entry of hash_ids,
#          and equal blocks for equal ids.
# Seen     A block becomes its id and 128 times "hi", and the last, which the trace fills in part, a whole one. Requests
#          of 7,168, 20,480 and 513 tokens become prompts of 1,789, 5,091 and 265 words, each of which is a token or so. A
#          wrong input_length changes nothing. The output's length is kept, and so is the time of arrival.
# Matters  The trace is known for its long prompts. Here prefill and KV cache get a quarter of them, decoding all of it, so
#          a server looks able to bear a trace that it could not. The figures are no comparison with another tool's replay.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Of the wheel only the benchmark, and none of its dependencies (torch among them): nothing here needs them.
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check numpy &&
  "$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$work" sglang==0.5.23 || exit 2

cat >"$work/see.py" <<'PYTHON'
import asyncio
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

work = Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("sglang-*.whl"))) as wheel:
    wheel.extractall(work, [name for name in wheel.namelist() if name.startswith("sglang/benchmark/")])
# The packages' own __init__ load all of the engine, of which nothing here makes use.
for name in ("sglang", "sglang.benchmark", "sglang.benchmark.datasets"):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(work.joinpath(*name.split(".")))]
sys.modules |= {name: MagicMock() for name in ("transformers", "sglang.benchmark.utils")}
from sglang.benchmark.datasets.mooncake import MooncakeDataset, get_mooncake_request_over_time


class Words:
    """A tokenizer of words; it has no chat template, for which the benchmark is prepared."""

    def encode(self, text):
        return text.split()


def replay(trace):
    file = work / "trace.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in trace))
    requests = MooncakeDataset(str(file), "conversation", len(trace)).load()

    async def sent():
        return [row async for row in get_mooncake_request_over_time(requests, Words(), 1.0, 1)]

    return [(row.prompt_len, row.output_len) for row in asyncio.run(sent())]


lengths = [(7168, 500), (20480, 90), (513, 20)]
trace = [
    {"timestamp": 100 * at, "input_length": put, "output_length": out, "hash_ids": list(range(-(-put // 512)))}
    for at, (put, out) in enumerate(lengths)
]
seen, without = replay(trace), replay([line | {"input_length": 1} for line in trace])
for was, now in zip(lengths, seen):
    print(f"traced: {was[0]} in, {was[1]} out; sent: {now[0]} words in, {now[1]} tokens out")
print(f"the same where input_length is 1: {without == seen}")
sys.exit(seen != [(1789, 500), (5091, 90), (265, 20)] or without != seen)
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" "$work" || { echo "no longer so"; exit 1; }
echo "still so"
