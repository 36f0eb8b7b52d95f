#!/usr/bin/env bash
# HdrHistogram for Python drops what is above its limit without an error; for JavaScript the same numbers grow it.
#
# Package  hdrhistogram 0.10.8 (PyPI), hdr-histogram-js 3.0.1 (npm)
# Guess    A value above `highest trackable` raises, or counts as the highest; and ports of one library agree.
# Seen     Limit 60,000 ms, 1,000 answers of 100 ms and 50 of 90,000. For Python record_value returns False for each
#          of the 50: the count is 1,000, p99 and maximum are 100. For JavaScript the histogram grows: count 1,050, p99
#          90,047 and maximum 90,000. For Python an answer of 1.9 ms is 1.
# Matters  What a limit of a minute leaves out of a load test is its queue: the p99 is then that of the requests that did not
#          wait. Hold the sum of what record_value returned against what was sent.
set -euo pipefail
command -v npm >/dev/null || { echo "needs npm" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check hdrhistogram==0.10.8 || exit 2
npm install --silent --no-audit --no-fund --prefix "$work/js" hdr-histogram-js@3.0.1 >/dev/null || exit 2

cat >"$work/see.py" <<'PYTHON'
from hdrh.histogram import HdrHistogram

made = HdrHistogram(1, 60_000, 3)
taken = [made.record_value(value) for value in [100] * 1000 + [90_000] * 50]
print("Python: returned False", taken.count(False), "count", made.total_count, "p99", made.get_value_at_percentile(99),
      "maximum", made.get_max_value())
small = HdrHistogram(1, 60_000, 3)
small.record_value(1.9)
print("Python: 1.9 is", small.get_max_value())
PYTHON
cat >"$work/js/see.mjs" <<'JAVASCRIPT'
import { build } from "hdr-histogram-js";

const made = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60000, numberOfSignificantValueDigits: 3 });
for (let at = 0; at < 1000; at++) made.recordValue(100);
for (let at = 0; at < 50; at++) made.recordValue(90000);
console.log("JavaScript: count", made.totalCount, "p99", made.getValueAtPercentile(99), "maximum", made.maxValue);
JAVASCRIPT
seen=$("$work/venv/bin/python" "$work/see.py" && node "$work/js/see.mjs") || exit 2
echo "$seen"
diff - <(echo "$seen") <<'TEXT' || { echo "no longer so"; exit 1; }
Python: returned False 50 count 1000 p99 100 maximum 100
Python: 1.9 is 1
JavaScript: count 1050 p99 90047 maximum 90000
TEXT
echo "still so"
