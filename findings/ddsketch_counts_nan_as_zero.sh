#!/usr/bin/env bash
# DDSketch takes a NaN for a latency of 0: failed requests make the percentiles better.
#
# Package  ddsketch 3.0.1, numpy 2.3.5 (PyPI)
# Guess    A NaN, which is what numpy and pandas hold for a request without an answer, is refused, left out, or makes the
#          result NaN.
# Seen     300 answers of 1,000 ms: p10 to p99 are 1,002, within the promised 1 %. With 200 NaN after them the count is 500 and
#          p10 and p25 are 0, with 300 NaN the median is 0 too. Each NaN is in the sketch's count of zeros. Only the sum, and
#          so the mean, is NaN; nothing is raised.
# Matters  The worse a server fails, the lower its latencies. In a graph of p50 an outage looks like a fast hour, and an
#          alert on a high p50 is silent.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check ddsketch==3.0.1 numpy==2.3.5 || exit 2

cat >"$work/see.py" <<'PYTHON'
import importlib.metadata
import sys
import numpy
from ddsketch import DDSketch


def figures(failed):
    latencies = numpy.full(300 + failed, 1000.0)
    latencies[300:] = numpy.nan
    sketch = DDSketch(relative_accuracy=0.01)
    for latency in latencies:
        sketch.add(float(latency))
    quantiles = [round(sketch.get_quantile_value(share)) for share in (0.1, 0.25, 0.5, 0.99)]
    return int(sketch.count), quantiles, bool(numpy.isnan(sketch.sum)), int(sketch._zero_count)


seen = {failed: figures(failed) for failed in (0, 200, 300)}
for failed, (count, quantiles, nan, zeros) in seen.items():
    print(f"300 answers of 1000 ms, {failed} NaN: count {count}, p10 p25 p50 p99 {quantiles}, "
          f"sum is NaN: {nan}, zeros: {zeros}")
print("ddsketch", importlib.metadata.version("ddsketch"))
low = {0: [1002] * 4, 200: [0, 0, 1002, 1002], 300: [0, 0, 0, 1002]}
sys.exit(seen != {failed: (300 + failed, low[failed], failed > 0, failed) for failed in low})
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
