#!/usr/bin/env bash
# hey sends 150 of 199 requests and reports no failure: what does not divide by the concurrency is left out.
#
# Package  hey 0.1.4-2+b4 (Debian 12)
# Guess    `-n 199 -c 50` sends 199 requests, 50 at a time; `-q 5` is 5 a second.
# Seen     The server counts 150: each of the 50 workers sends 199 / 50, rounded down. The report has 150 responses and
#          no error, the exit code is 0. `-q 5` is for each worker: with 10 of them 50 a second.
# Matters  A sweep over concurrency with one number of requests has another number at each step, up to half of them missing (99
#          requests, 50 at a time: 50). Sums of tokens and the weight of the warm-up change with the step.
set -euo pipefail
command -v dpkg >/dev/null && command -v apt-get >/dev/null || { echo "needs Debian's apt-get and dpkg" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
{ apt-get download -qq hey=0.1.4-2+b4 2>/dev/null && dpkg -x hey_*.deb .; } ||
  { echo "this version of the package is not to be had here" >&2; exit 2; }

cat >see.py <<'PYTHON'
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = []


class Engine(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        asked.append(time.monotonic())
        time.sleep(0.02)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def load(*options):
    """How many requests came, how many hey counts as answered, its exit code, and whether it tells of an error."""
    asked.clear()
    command = ["usr/bin/hey", *options, "-m", "POST", "-d", "prompt", f"http://127.0.0.1:{engine.server_port}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    answered = sum(int(count) for count in re.findall(r"\[200\]\s+(\d+) responses", done.stdout))
    return len(asked), answered, done.returncode, "rror" in done.stdout + done.stderr


engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
engine.daemon_threads = True
threading.Thread(target=engine.serve_forever, daemon=True).start()
seen = {number: load("-n", str(number), "-c", "50") for number in (199, 99)}
for number, (came, answered, code, error) in seen.items():
    print(f"-n {number} -c 50: {came} requests came, {answered} answered, exit code {code}, an error reported: {error}")
came = load("-z", "3s", "-c", "10", "-q", "5")[0]
print(f"-q 5 -c 10 for 3 s: {came} requests came, {came / 3:.0f} a second")
sys.exit(seen != {199: (150, 150, 0, False), 99: (50, 50, 0, False)} or not 120 <= came <= 170)
PYTHON
python3 see.py || { echo "no longer so"; exit 1; }
echo "still so"
