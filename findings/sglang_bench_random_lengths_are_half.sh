#!/usr/bin/env bash
# SGLang's benchmark with `--random-input-len 1024` sends prompts of 1 to 1024 tokens: half of the length, on average.
#
# Package  sglang 0.5.23 (PyPI: sglang.benchmark, `--dataset-name random`)
# Guess    As the help says: "Number of input tokens per request". And a range ratio of 0, the default, is no range.
# Seen     The ratio is the low end as a share of the length: with 0 the lengths are even over 1 to 1024, with a mean of about
#          512, input and output alike; 1.0 is what gives 1024 each. Input and output are drawn apart: a long prompt
#          may get one token of answer.
# Matters  In vLLM's benchmark (0.32) the flag of the same name, with the same default of 0, is the width of a range around
#          the length. Two runs with equal flags then differ by twice the tokens, and the one with half of them looks faster.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Of the wheel only the benchmark, and none of its dependencies (torch among them): nothing here needs them.
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check numpy &&
  "$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$work" sglang==0.5.23 || exit 2

cat >"$work/see.py" <<'PYTHON'
import ast
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock
import numpy

work = Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("sglang-*.whl"))) as wheel:
    wheel.extractall(work, [name for name in wheel.namelist() if name.startswith("sglang/benchmark/")])
# The packages' own __init__ load all of the engine, of which nothing here makes use.
for name in ("sglang", "sglang.benchmark", "sglang.benchmark.datasets"):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(work.joinpath(*name.split(".")))]
sys.modules |= {name: MagicMock() for name in ("transformers", "sglang.benchmark.utils")}
from sglang.benchmark.datasets.common import compute_random_lens


def option(flag):
    """The default and the help of an option of the command line, from its source."""
    for node in ast.walk(ast.parse((work / "sglang/benchmark/serving.py").read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == flag:
            words = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
            return words.get("default"), words.get("help")


ratio, told = option("--random-range-ratio")[0], option("--random-input-len")[1]
print(f"--random-range-ratio is {ratio} by default; --random-input-len: {told!r}")
seen = {}
for share in (ratio, 0.5, 1.0):
    numpy.random.seed(1)
    lengths = compute_random_lens(1024, share, 10_000)
    seen[share] = (min(lengths), max(lengths), sum(lengths) / len(lengths))
    print(f"1024 with a ratio of {share}: {seen[share][0]} to {seen[share][1]}, mean {seen[share][2]:.0f}")
still = ratio == 0.0 and told.startswith("Number of input tokens per request")
still &= seen[0.0][0] < 10 and 500 < seen[0.0][2] < 525 and seen[1.0] == (1024, 1024, 1024)
sys.exit(not still)
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" "$work" || { echo "no longer so"; exit 1; }
echo "still so"
