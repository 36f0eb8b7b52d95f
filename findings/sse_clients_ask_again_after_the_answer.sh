#!/usr/bin/env bash
# Two SSE clients that can POST send the prompt again when the answer has ended, and go on until somebody stops them.
#
# Package  eventsource-client 1.2.0 (npm), aiohttp-sse-client2 0.3.0 with aiohttp 3.14.5 (PyPI)
# Guess    A client that takes a method and a body is made for streams of this kind: with the last event, `[DONE]`, and the end
#          of the body the request is over. Only a connection that broke is made anew, and no POST.
# Seen     An answer of one token and `[DONE]`, whole, and with an end of its body: both clients wait, send the same POST
#          with the same body, and hand on the second answer as if it belonged to the first. In 7 s the one for
#          JavaScript asks four times (it waits 2 s), the one for Python twice (it waits 4 s here, 10 by default).
#          The rule is that of the browser's EventSource, which asks with GET for a feed without an end.
# Matters  Behind a load generator each request becomes many: the server is busy with answers that nobody counts, text
#          and tokens run together, and the rate is not the one that was set. Close the client when `[DONE]` comes.
set -euo pipefail
command -v npm >/dev/null || { echo "needs npm" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check aiohttp-sse-client2==0.3.0 aiohttp==3.14.5 || exit 2
npm install --silent --no-audit --no-fund --prefix "$work/js" eventsource-client@1.2.0 >/dev/null || exit 2

cat >"$work/js/see.mjs" <<'JAVASCRIPT'
import { createEventSource } from "eventsource-client";

const data = [];
const source = createEventSource({
  url: process.argv[2],
  method: "POST",
  body: '{"stream": true}',
  onMessage: (message) => data.push(message.data),
});
setTimeout(() => {
  source.close();
  console.log(JSON.stringify(data));
  process.exit();
}, 7000);
JAVASCRIPT
cat >"$work/see.py" <<'PYTHON'
import asyncio
import datetime
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from aiohttp_sse_client2.client import EventSource

bodies = []


class Engine(BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
        answer = b'data: {"token": "one"}\n\ndata: [DONE]\n\n'
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


async def of_python(url):
    data = []
    wait = datetime.timedelta(seconds=2)

    async def listen():
        async with EventSource(url, option={"method": "POST"}, reconnection_time=wait, data='{"stream": true}') as source:
            async for event in source:
                data.append(event.data)

    try:
        await asyncio.wait_for(listen(), 7)
    except TimeoutError:
        pass
    return data


def seen(listen):
    bodies.clear()
    data = listen()
    return len(bodies), set(bodies), data.count("[DONE]")


engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=engine.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{engine.server_port}/v1/completions"
of_javascript = ["node", sys.argv[1], url]
found = {
    "eventsource-client": seen(lambda: json.loads(subprocess.run(of_javascript, capture_output=True, timeout=60).stdout)),
    "aiohttp-sse-client2": seen(lambda: asyncio.run(of_python(url))),
}
for name, (asked, sent, answers) in found.items():
    print(f"{name}: {asked} POSTs in 7 s with the bodies {sent}, {answers} answers handed on as one stream")
sys.exit(any(asked < 2 or answers < 2 or sent != {'{"stream": true}'} for asked, sent, answers in found.values()))
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" "$work/js/see.mjs" || { echo "no longer so"; exit 1; }
echo "still so"
