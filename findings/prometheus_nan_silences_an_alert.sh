#!/usr/bin/env bash
# One stretch without requests makes avg_over_time of a latency quantile NaN for the whole window: an alert on it is silent,
# and its promtool test passes.
#
# Package  prometheus 2.42.0+ds-5+deb12u1 (Debian 12: promtool)
# Guess    A recording rule of p99 TTFT by histogram_quantile, and an alert where its hourly mean is above a limit, fires when
#          latency has been above the limit whenever it was measured. Minutes without traffic count as nothing.
# Seen     histogram_quantile over a rate of 0 is NaN, and the recorded series keeps it. For as long as one NaN lies in the
#          window avg_over_time is NaN, `NaN > limit` is no match, and the alert does not fire, though every number in the
#          window is twice the limit. A rule test that feeds an unbroken load, which is how one is written, passes. With
#          `(p99 >= 0)[1h:1m]` the NaNs are left out and the mean is right.
# Matters  Engines idle between benchmarks and at night: a regression alert on a weekly or hourly mean of p99 can then hardly
#          ever fire.
set -euo pipefail
command -v dpkg >/dev/null && command -v apt-get >/dev/null || { echo "needs Debian's apt-get and dpkg" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
{ apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 2>/dev/null && dpkg -x prometheus_*.deb .; } ||
  { echo "this version of the package is not to be had here" >&2; exit 2; }
promtool=$work/usr/bin/promtool
"$promtool" --version 2>&1 | head -1

cat >rules.yml <<'YAML'
groups:
  - name: latency
    rules:
      - record: engine:ttft:p99
        expr: histogram_quantile(0.99, sum by (le) (rate(vllm:time_to_first_token_seconds_bucket[5m])))
      - alert: TtftHigh
        expr: avg_over_time(engine:ttft:p99[1h]) > 0.5
        for: 5m
YAML
# Every request takes between 0.5 and 1 s. $1: cumulative counts a minute.
series() {
  cat <<YAML
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'vllm:time_to_first_token_seconds_bucket{le="0.5"}', values: '0x150'}
      - {series: 'vllm:time_to_first_token_seconds_bucket{le="1"}', values: '$1'}
      - {series: 'vllm:time_to_first_token_seconds_bucket{le="+Inf"}', values: '$1'}
YAML
}
{
  series '0+60x150'
  cat <<'YAML'
    alert_rule_test:
      - eval_time: 2h
        alertname: TtftHigh
        exp_alerts: [{exp_labels: {}}]
YAML
} >busy.yml
# The same but for twelve minutes without a request, from minute 80 on.
{
  series '0+60x80 4800x12 4860+60x60'
  cat <<'YAML'
    promql_expr_test:
      - expr: engine:ttft:p99
        eval_time: 2h
        exp_samples: [{labels: 'engine:ttft:p99', value: 0.995}]
      - expr: count_over_time((engine:ttft:p99 != engine:ttft:p99)[1h:1m])
        eval_time: 2h
        exp_samples: [{labels: '{}', value: 9}]
      - expr: avg_over_time(engine:ttft:p99[1h]) > 0.5
        eval_time: 2h
        exp_samples: []
      - expr: avg_over_time((engine:ttft:p99 >= 0)[1h:1m]) > 0.5
        eval_time: 2h
        exp_samples: [{labels: '{}', value: 0.995}]
    alert_rule_test:
      - eval_time: 2h
        alertname: TtftHigh
        exp_alerts: []
YAML
} >idle.yml
echo "an unbroken load, p99 0.995 s: does the alert for 0.5 s fire?"
"$promtool" test rules busy.yml || { echo "no longer so"; exit 1; }
echo "the same with twelve idle minutes within the hour, 9 values of NaN: is it silent?"
"$promtool" test rules idle.yml || { echo "no longer so"; exit 1; }
echo "still so"
