#!/usr/bin/env bash
# Behind LiteLLM a stream that broke off looks complete: a finish reason and token counts are added to it.
#
# Package  litellm 1.108.7 (PyPI)
# Guess    A gateway hands on what its upstream sends: no finish_reason and no usage, where the upstream sent none.
# Seen     The upstream sends two tokens and ends its body without finish_reason, usage and [DONE]. The client gets the
#          two tokens, then finish_reason "stop", and usage with 8 prompt and 2 completion tokens. A whole answer
#          without usage gets the same counts, by a tokenizer that is not the model's.
# Matters  A load test through the gateway counts no truncated answer, however often the server breaks off, and takes
#          guessed tokens for the server's own. Only the response head (x-litellm-…) shows where they come from.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check litellm==1.108.7 || exit 2

cat >"$work/see.py" <<'PYTHON'
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no download of prices
import litellm


def event(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


tokens = [event({"role": "assistant", "content": "one"}), event({"content": " two"})]
streams = {"cut": tokens, "whole": tokens + [event({}, "length"), "[DONE]"]}


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for data in streams[body["model"]]:
            line = f"data: {data}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
threading.Thread(target=upstream.serve_forever, daemon=True).start()


def ask(name):
    """The text, the finish reason and the two counts, as a client of LiteLLM sees them."""
    text, finish, counts = "", None, None
    answer = litellm.completion(
        model=f"openai/{name}", api_base=f"http://127.0.0.1:{upstream.server_port}", api_key="none", stream=True,
        stream_options={"include_usage": True}, messages=[{"role": "user", "content": "hi"}],
    )
    for part in answer:
        for choice in part.choices:
            text, finish = text + (choice.delta.content or ""), choice.finish_reason or finish
        if usage := getattr(part, "usage", None):
            counts = (usage.prompt_tokens, usage.completion_tokens)
    return text, finish, counts


seen = {name: ask(name) for name in streams}
for name, (text, finish, counts) in seen.items():
    print(f"upstream {name}: text {text!r}, finish_reason {finish}, usage {counts}")
sys.exit(seen != {"cut": ("one two", "stop", (8, 2)), "whole": ("one two", "length", (8, 2))})
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
