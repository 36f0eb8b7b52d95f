#!/usr/bin/env bash
# GuideLLM counts an answer as failed where a token of it holds U+2028 or U+0085.
#
# Package  guidellm 0.8.1, httpx 0.28.1 (PyPI)
# Guess    A stream is cut into lines where its format says so: at CR, LF and CRLF. What a JSON string holds does not matter.
# Seen     httpx's `aiter_lines` cuts where Python's str.splitlines does: also at U+2028 (LINE SEPARATOR), U+2029 and U+0085.
#          JSON needs no escape for them, and orjson and pydantic, which engines write with, make none. GuideLLM parses half
#          an event: JSONDecodeError, with the tokens before it already counted. The same text in \u escapes passes.
# Matters  Text from PDFs and web pages has such characters, and models repeat them. The failures look like the server's, and
#          grow with the length of the answers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Without its other dependencies (torch among them): its HTTP client needs none of them.
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check 'httpx[http2]==0.28.1' 'culsans>=0.10,<0.11' pydantic \
    pydantic-settings loguru numpy pyyaml more-itertools typing-extensions websockets msgpack protobuf click rich jinja2 &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps guidellm==0.8.1 || exit 2

cat >"$work/see.py" <<'PYTHON'
import asyncio
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from guidellm.backends.openai.http import OpenAIHTTPBackend
from guidellm.schemas import GenerationRequest, RequestInfo
from guidellm.schemas.backends import OpenAIHTTPBackendArgs

texts = {"plain": "\n", "U+2028": "\u2028", "U+2029": "\u2029", "U+0085": "\u0085", "U+2028, escaped": "\u2028"}


def stream(name):
    for token in ("one", texts[name], "three"):
        chunk = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        chunk["choices"] = [{"index": 0, "delta": {"content": token}, "finish_reason": None}]
        yield f"data: {json.dumps(chunk, ensure_ascii=name.endswith('escaped'))}\n\n"
    yield "data: [DONE]\n\n"


class Engine(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.end_headers()
        self.wfile.write("".join(stream(asked["model"])).encode())

    def log_message(self, *_):
        pass


async def ask(name, target):
    backend = OpenAIHTTPBackend(OpenAIHTTPBackendArgs(target=target, model=name, timeout=20))
    await backend.process_startup()
    info, answer = RequestInfo(request_id="a"), None
    try:
        request = GenerationRequest(request_id="a", columns={"text_column": ["hi"]})
        async for answer, info in backend.resolve(request, info):
            pass
        return answer.text, info.timings.token_iterations
    except json.JSONDecodeError as error:
        return type(error).__name__, info.timings.token_iterations
    finally:
        await backend.process_shutdown()


engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=engine.serve_forever, daemon=True).start()
seen = {name: asyncio.run(ask(name, f"http://127.0.0.1:{engine.server_port}")) for name in texts}
for name, (text, tokens) in seen.items():
    print(f"{name}: {text!r}, {tokens} tokens counted")
whole = {name: (f"one{texts[name]}three", 3) for name in ("plain", "U+2028, escaped")}
sys.exit(seen != {name: whole.get(name, ("JSONDecodeError", 1)) for name in texts})
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
