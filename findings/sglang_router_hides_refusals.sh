#!/usr/bin/env bash
# SGLang's router takes a refusal back to the worker until it is an answer: the client sees no 429, 500 or 503.
#
# Package  sglang-router 0.3.2 (PyPI), before a stand-in that refuses each request's first try
# Guess    A proxy hands on what its worker says. What it cannot be sure of, like a POST that failed with 500, it never sends
#          again.
# Seen     A worker that answers 429, 500 or 503 to the first try of each of ten requests is asked twenty times, and the
#          client gets 200 ten times; the wait between is in the latency. With 400 the refusal comes
#          through, and so does each with `--disable-retries`. A worker that refuses always is asked five times for one 429.
# Matters  A load test behind it finds no limit: no error is counted where the server sheds load, the refused work comes again
#          when it hurts most, up to five times, and the tail of the latency is made by the router's waits.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check sglang-router==0.3.2 || exit 2

cat >"$work/see.py" <<'PYTHON'
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORK = sys.argv[1]  # also the model's path: an empty folder keeps the router from looking for a tokenizer elsewhere


class Worker(BaseHTTPRequestHandler):
    """Refuses with the status that the prompt names: `STATUS NAME`, the first so many times that NAME is asked."""

    protocol_version = "HTTP/1.1"
    tries = {}
    refusals = 1

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        models = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "me"}]}
        self.answer({"model_path": WORK, "served_model_name": "m", "is_generation": True, **models})

    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][0]["content"]
        self.tries[prompt] = self.tries.get(prompt, 0) + 1
        status = int(prompt.split()[0])
        if status != 200 and self.tries[prompt] <= Worker.refusals:
            self.answer({"error": {"message": "busy", "code": status}}, status)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        self.answer({"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def ask(port, prompt):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}], "max_tokens": 4}).encode()
    address = f"http://127.0.0.1:{port}/v1/chat/completions"
    try:
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as got:
            return got.status
    except urllib.error.HTTPError as error:
        return error.code


def await_ready(port, router):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and router.poll() is None:
        try:
            if ask(port, "200 are you there?") == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(2)


def through(loads, *options):
    """For each load (status, requests, refusals of each): the statuses that the client saw, and the worker's tries."""
    engine = ThreadingHTTPServer(("127.0.0.1", 0), Worker)
    engine.daemon_threads = True
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    port = free_port()
    command = [sys.executable, "-m", "sglang_router.launch_router", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--prometheus-port", str(free_port()), "--worker-urls", f"http://127.0.0.1:{engine.server_port}", *options]
    with open(f"{WORK}/log", "a") as log:
        router = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await_ready(port, router)
        found = []
        for status, requests, refusals in loads:
            Worker.tries.clear()
            Worker.refusals = refusals
            answers = [ask(port, f"{status} request {at}") for at in range(requests)]
            found.append((sorted(set(answers)), sum(Worker.tries.values())))
        return found
    finally:
        router.terminate()
        router.wait(30)
        engine.shutdown()


# Few enough that the router's circuit breaker, at ten failures in a row, plays no part.
shed, always, wrong = [(status, 10, 1) for status in (429, 500, 503)], (429, 1, 99), (400, 3, 1)
loads = [*shed, always, wrong]
default = through(loads)
without = through([(status, 3, 1) for status, _, _ in shed], "--disable-retries")
for (status, requests, refusals), got in zip(loads, default):
    tries = "the first try" if refusals == 1 else "every try"
    print(f"{status} to {tries} of {requests} requests: the client sees {got[0]}, the worker was asked {got[1]} times")
print(f"429, 500, 503 to three requests each, with --disable-retries: {without}")
seen = default == [([200], 20)] * 3 + [([429], 5), ([400], 3)]
sys.exit(not (seen and without == [([status], 3) for status, _, _ in shed]))
PYTHON
status=0
timeout 150 "$work/venv/bin/python" "$work/see.py" "$work" || status=$?
[ "$status" = 0 ] || { tail -3 "$work/log" >&2; [ "$status" = 2 ] && exit 2; echo "no longer so"; exit 1; }
echo "still so"
