#!/usr/bin/env bash
# Holds the live export against the real things: Prometheus scrapes a run (text, then native histograms), is written to,
# and a Pushgateway is pushed to; promtool reads page and rules; every query of the Grafana dashboard is asked.
# Needs: prometheus and promtool (Debian: apt install prometheus prometheus-pushgateway), python3, curl, a built harness
# (HARNESS=target/release/harness; by default the debug one). Not in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
harness=${HARNESS:-target/debug/harness}
for program in prometheus promtool prometheus-pushgateway python3 curl "$harness"; do
  command -v "$program" >/dev/null || { echo "check-live.sh: needs $program" >&2; exit 2; }
done

promtool check rules deploy/prometheus/alerts.yml
promtool check config deploy/prometheus/prometheus.yml
promtool test rules deploy/prometheus/alerts_test.yml

work=$(mktemp -d)
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap finish EXIT
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
page=$(port) text=$(port) native=$(port) gateway=$(port)
cat > "$work/prometheus.yml" <<EOF
global: {scrape_interval: 1s}
scrape_configs: [{job_name: harness, static_configs: [{targets: ["127.0.0.1:$page"]}]}]
EOF
start() { "$@" >>"$work/log" 2>&1 & pids+=($!); }
start prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/text" \
  --web.listen-address="127.0.0.1:$text" --web.enable-remote-write-receiver
start prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/native" \
  --web.listen-address="127.0.0.1:$native" --enable-feature=native-histograms
start prometheus-pushgateway --web.listen-address="127.0.0.1:$gateway"
sleep 3

"$harness" compare --simulate --backend vllm,sglang --duration 20s --concurrency 20 --max-tokens 64 \
  --output "$work/results" --prometheus-listen "$page" --pushgateway "http://127.0.0.1:$gateway" \
  --remote-write "http://127.0.0.1:$text/api/v1/write" >"$work/out" 2>&1 &
run=$!
pids+=("$run")

# ask PORT QUERY: the first value; fails where there is none
ask() {
  curl -sfG "http://127.0.0.1:$1/api/v1/query" --data-urlencode "query=$2" | python3 -c '
import json, sys
values = json.load(sys.stdin)["data"]["result"]
print(values[0]["value"][1] if values else sys.exit("no value"))'
}
sleep 14
curl -sf "http://127.0.0.1:$page/metrics" | promtool check metrics
echo "TTFT p99, fixed buckets:  $(ask "$text" 'histogram_quantile(0.99, sum by (le) (rate(harness_ttft_seconds_bucket[10s])))') s"
echo "TTFT p99, native buckets: $(ask "$native" 'histogram_quantile(0.99, sum(rate(harness_ttft_seconds[10s])))') s"
python3 - "http://127.0.0.1:$text" <<'EOF'
import json, sys, urllib.error, urllib.parse, urllib.request
dashboard = json.load(open("deploy/grafana/harness.json"))
empty = 0
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        query = target["expr"].replace("$__rate_interval", "10s").replace("$label", ".*").replace("$model", ".*")
        url = sys.argv[1] + "/api/v1/query?" + urllib.parse.urlencode({"query": query})
        try:
            answer = json.load(urllib.request.urlopen(url))
        except urllib.error.HTTPError as error:
            sys.exit(f"{panel['title']}: {query}: {error.read().decode()}")
        if not answer["data"]["result"]:
            empty += 1
            print(f"  empty: {panel['title']}: {target['legendFormat']}")
print(f"dashboard: every query is sound, {empty} without a value here")
EOF
wait "$run" || { cat "$work/out"; exit 1; }
if grep '^warning: .*metrics' "$work/out"; then
  echo "not all of the metrics were delivered" >&2
  exit 1
fi
pushed=$(curl -sf "http://127.0.0.1:$gateway/metrics" | grep -c '^harness_requests_total{.*job="harness".*outcome="completed"')
[ "$pushed" = 2 ] || { echo "the Pushgateway has $pushed loads, not 2" >&2; exit 1; }
written=$(ask "$text" 'count(last_over_time(harness_requests_total{outcome="completed",job="harness",instance!~"127.*"}[5m]))')
[ "$written" = 2 ] || { echo "remote writes hold $written loads, not 2" >&2; exit 1; }
echo "pushed and written: both loads"
