#!/usr/bin/env bash
# SGLang's router with its default policy sends a whole load that shares a system prompt to one of four workers.
#
# Package  sglang-router 0.3.2 (PyPI), before four stand-ins that answer after 50 ms
# Guess    A load balancer before four equal and idle workers gives each about a quarter of the requests; being aware of
#          caches changes that where the load is out of balance anyway.
# Seen     200 different questions behind one system prompt, 32 at a time: one worker gets all 200, three get none. With
#          questions that share nothing each gets about 50, and so with `--policy round_robin`. The default, cache_aware,
#          looks at the balance only where two workers differ by more than 64 requests in flight.
# Matters  A benchmark of up to 64 streams with a common system prompt, or with one prompt again and again, measures one GPU
#          and calls it four: scaling looks flat. The same benchmark with random prompts shows nothing of it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check sglang-router==0.3.2 || exit 2

cat >"$work/see.py" <<'PYTHON'
import json
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORK = sys.argv[1]  # also the model's path: an empty folder keeps the router from looking for a tokenizer elsewhere


def worker():
    """A stand-in for an engine: its URL, and a list that grows with each request."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, value):
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            models = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "me"}]}
            self.answer({"model_path": WORK, "served_model_name": "m", "is_generation": True, **models})

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(time.monotonic())
            time.sleep(0.05)
            choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
            self.answer({"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", seen


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def ask(port, messages):
    body = json.dumps({"model": "m", "messages": messages, "max_tokens": 4}).encode()
    address = f"http://127.0.0.1:{port}/v1/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(address, body, {"content-type": "application/json"}), timeout=30) as got:
        return got.status


def await_ready(port, router):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and router.poll() is None:
        try:
            ask(port, [{"role": "user", "content": "are you there?"}])
            return True
        except OSError:
            time.sleep(0.2)
    return False


def spread(loads, *options):
    """How many requests each worker gets, of each load in turn, through one router."""
    workers, port = [worker() for _ in range(4)], free_port()
    command = [sys.executable, "-m", "sglang_router.launch_router", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--prometheus-port", str(free_port()), "--worker-urls", *(url for url, _ in workers), *options]
    with open(f"{WORK}/log", "a") as log:
        router = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        if not await_ready(port, router):
            sys.exit(2)
        time.sleep(2)  # until all four are registered
        counts = []
        for load in loads:
            for _, seen in workers:
                seen.clear()
            with ThreadPoolExecutor(32) as pool:
                assert set(pool.map(lambda messages: ask(port, messages), load)) == {200}
            counts.append(sorted((len(seen) for _, seen in workers), reverse=True))
        return counts
    finally:
        router.terminate()
        router.wait(30)


words = random.Random(7)
questions = ["".join(words.choices("abcdefghijklmnopqrstuvwxyz ", k=60)) for _ in range(400)]
system = {"role": "system", "content": "You are a helpful assistant. Answer briefly, in plain words, and to the point. " * 4}
shared = [[system, {"role": "user", "content": text}] for text in questions[:200]]
apart = [[{"role": "user", "content": text}] for text in questions[200:]]
default = spread([shared, apart])
turns = spread([shared], "--policy", "round_robin")
print(f"200 requests, 32 at a time, four workers. One system prompt: {default[0]}, nothing shared: {default[1]}")
print(f"one system prompt, round_robin: {turns[0]}")
sys.exit(default[0][0] < 190 or default[1][0] > 80 or turns[0][0] > 60)
PYTHON
status=0
timeout 150 "$work/venv/bin/python" "$work/see.py" "$work" || status=$?
[ "$status" = 0 ] || { tail -3 "$work/log" >&2; [ "$status" = 2 ] && exit 2; echo "no longer so"; exit 1; }
echo "still so"
