#!/usr/bin/env bash
# OpenTelemetry's own metric for the time to first token puts every one below 5 s into one bucket.
#
# Package  opentelemetry-sdk 1.45.2, opentelemetry-semantic-conventions 0.66b2 (PyPI)
# Guess    create_gen_ai_server_time_to_first_token(meter) makes the histogram of the conventions: its name, its unit (s) and
#          its buckets, which the conventions list from 0.001 to 10.
# Seen     Name and unit are theirs, the buckets are the SDK's: 0, 5, 10, 25 … 10000, made for milliseconds. Of 1,000 first
#          tokens between 0.02 and 0.4 s all are in (0, 5]; a quantile that is read from the buckets as Prometheus does it is
#          4.95 s for the p99 and 2.5 s for the median. The same holds for the time per output token and the duration.
# Matters  A dashboard shows a p99 that is twelve times the slowest request, and the same p99 however fast the server is.
#          The buckets must be set by a View, or by explicit_bucket_boundaries_advisory on an instrument of one's own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check opentelemetry-sdk==1.45.2 \
    opentelemetry-semantic-conventions==0.66b2 || exit 2

cat >"$work/see.py" <<'PYTHON'
import importlib.metadata
import sys
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as conventions


def quantile(point, share):
    """As Prometheus' histogram_quantile: linear within the bucket that holds the rank."""
    rank, below = share * point.count, 0
    for number, count in enumerate(point.bucket_counts):
        if below + count >= rank and count:
            low = point.explicit_bounds[number - 1] if number else 0.0
            return low + (point.explicit_bounds[number] - low) * (rank - below) / count
        below += count


def record(create, values):
    reader = InMemoryMetricReader()
    histogram = create(MeterProvider(metric_readers=[reader]).get_meter("see"))
    for value in values:
        histogram.record(value)
    metric = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0]
    return metric, metric.data.data_points[0]


still = True
for create, low, high in (
    (conventions.create_gen_ai_server_time_to_first_token, 0.02, 0.4),
    (conventions.create_gen_ai_server_time_per_output_token, 0.005, 0.05),
    (conventions.create_gen_ai_server_request_duration, 0.5, 4.0),
):
    metric, point = record(create, [low + (high - low) * at / 999 for at in range(1000)])
    used = [count for count in point.bucket_counts if count]
    middle, tail = quantile(point, 0.5), quantile(point, 0.99)
    print(f"{metric.name} ({metric.unit}), 1000 values of {low} to {point.max}: {len(used)} bucket used, "
          f"up to {point.explicit_bounds[1]}; median {middle}, p99 {tail}")
    still &= metric.unit == "s" and list(point.explicit_bounds[:4]) == [0.0, 5.0, 10.0, 25.0]
    still &= point.bucket_counts[1] == 1000 and (middle, tail) == (2.5, 4.95)
print("opentelemetry-sdk", importlib.metadata.version("opentelemetry-sdk"))
sys.exit(not still)
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
