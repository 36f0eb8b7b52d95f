#!/usr/bin/env bash
# HdrHistogram, asked for least, mean and greatest of one recorded value, gives three numbers, and none is the value.
#
# Package  hdrhistogram 0.10.8 (PyPI; latencies of many load generators are kept in one of its ports)
# Guess    Buckets blur the percentiles; least and greatest are kept exactly, and the mean lies on the only value.
# Seen     1 µs to 1 h at 3 digits. The one value 10,000,001 µs: least 9,994,240, mean 9,998,336, greatest and p50
#          10,002,431. And a value above the range, 4,000,000,000 where 3,600,000,000 is the most, is taken without
#          a word, as the power of two above the range is the real bound.
# Matters  A greatest latency that nothing ever took, and beyond a timeout that no answer can pass; a mean taken from
#          the buckets is not the sum divided by the count.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check hdrhistogram==0.10.8 || exit 2

cat >"$work/see.py" <<'PYTHON'
import sys
from hdrh.histogram import HdrHistogram

one = HdrHistogram(1, 3_600_000_000, 3)
one.record_value(10_000_001)
seen = (one.get_min_value(), one.get_mean_value(), one.get_value_at_percentile(50), one.get_max_value())
print("10,000,001 recorded; least, mean, p50, greatest:", *seen)
beyond = one.record_value(4_000_000_000)
print("4,000,000,000 into a histogram up to 3,600,000,000:", "taken" if beyond else "refused")
sys.exit((seen, beyond) != ((9_994_240, 9_998_336.0, 10_002_431, 10_002_431), True))
PYTHON
"$work/venv/bin/python" "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
