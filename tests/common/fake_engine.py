#!/usr/bin/env python3
"""A server that is not ours: what `harness simulate` cannot fake.

A foreign process tree, a log of its own, an environment that can be looked at, HTTP and SSE as others write them.
It answers every request in full with made-up words; what goes wrong under load is the simulator's business
(`harness simulate --fault`). Standard library only; no http.server, so that it starts at once.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

VERSION = "0.1.0"
LIFE_S = 900  # Safety: whatever a test leaves behind ends itself after this.


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    add = parser.add_argument
    add("--version", action="version", version=f"fake-engine {VERSION}")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8000, help="0: a free one; the log names it")
    add("--model", help="accepted as other engines do, and not read")
    add("--served-model-name", default="fake")
    add("--context-length", type=int, default=4096)
    add("--max-batch", type=int, default=256, help="accepted as other engines do, and not read")
    add("--ttft-ms", type=float, default=5.0)
    add("--itl-ms", type=float, default=1.0)
    add("--no-access-log", action="store_true")
    add("--startup-s", type=float, default=0.0, help="loading takes so long")
    add("--startup-mode", choices=["refused", "503"], default="refused", help="what it answers while it loads")
    add("--never-ready", action="store_true", help="loads for ever")
    add("--die-while-loading", type=int, metavar="CODE", help="exits with CODE after --startup-s")
    add("--log-line", action="append", default=[], metavar="TEXT", help="written while loading")
    add("--log-env", action="append", default=[], metavar="NAME", help="writes this variable, as engines do")
    add("--environment", metavar="FILE", help="gets the whole environment as JSON")
    add("--foreign-model", action="store_true", help="serves another model than the one asked for")
    add("--listed-after-s", type=float, default=0.0, help="healthy at once, its model listed and served only then")
    add("--until-listed", default="empty", help="what /v1/models answers till then: empty, or a status")
    add("--metrics-port", type=int, help="its metrics page lies there alone")
    add("--answer-with", metavar="FIELD", help="refuses a request whose body has no such field")
    add("--served-file", metavar="FILE", help="gets the Unix time of each answer's end, before its last bytes")
    add("--crash-on", metavar="FILE", help="ends with code 0 once this file is there")
    add("--ignore-sigterm", nargs="?", type=float, const=float("inf"), default=0, metavar="N", help="the first N")
    add("--child", action="store_true", help="a child in its group")
    add("--orphan-child", action="store_true", help="a grandchild in a session of its own, its parent gone; deaf")
    add("--hold-port", action="store_true", help="a child in a session of its own keeps the listening socket; deaf")
    add("--pid-file", metavar="FILE", help="gets a line 'child PID', 'orphan PID' or 'holder PID' each")
    return parser.parse_args()


def say(text):
    os.write(2, f"{text}\n".encode())


class Tree:
    """The processes that it starts, none of which ends when it does."""

    def __init__(self, opts):
        self.opts = opts

    def note(self, kind, pid):
        if self.opts.pid_file:
            with open(self.opts.pid_file, "a", encoding="utf-8") as file:
                file.write(f"{kind} {pid}\n")

    def deaf(self):
        """The whole life of a child."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        time.sleep(LIFE_S)
        os._exit(0)

    def grow(self):
        if self.opts.child:
            self.note("child", subprocess.Popen(["sleep", str(LIFE_S)]).pid)
        if self.opts.orphan_child:
            read, write = os.pipe()
            middle = os.fork()
            if middle == 0:
                orphan = os.fork()
                if orphan == 0:
                    os.closerange(3, 256)
                    self.deaf()
                os.write(write, str(orphan).encode())
                os._exit(0)
            os.waitpid(middle, 0)
            self.note("orphan", os.read(read, 20).decode())

    def hold_port(self):
        if self.opts.hold_port:
            holder = os.fork()
            if holder == 0:
                self.deaf()
            self.note("holder", holder)


class Engine:
    """What the connections share: options, counts, and whether the model is loaded."""

    def __init__(self, opts):
        self.opts = opts
        self.model = "somebody-elses-model" if opts.foreign_model else opts.served_model_name
        self.lock = threading.Lock()
        self.ready = threading.Event()
        self.listed_at = time.monotonic() + opts.listed_after_s
        self.prompt_tokens = self.generated_tokens = self.answers = 0

    def count(self, prompt, generated, answers):
        with self.lock:
            self.prompt_tokens += prompt
            self.generated_tokens += generated
            self.answers += answers
            # Before the client can know: whoever has read the end finds it here.
            if answers and self.opts.served_file:
                with open(self.opts.served_file, "a", encoding="utf-8") as file:
                    file.write(f"{time.time():.6f}\n")

    def metrics(self):
        label = f'{{model_name="{self.model}",engine="0"}}'
        with self.lock:
            rows = {"prompt_tokens": self.prompt_tokens, "prompt_tokens_cached": 0,
                    "generation_tokens": self.generated_tokens, "requests": self.answers}
        return "".join(f"# TYPE fake:{name}_total counter\nfake:{name}_total{label} {value}.0\n"
                       for name, value in rows.items())

    def listen(self, tree):
        sock = socket.create_server((self.opts.host, self.opts.port), backlog=1024)
        if self.opts.metrics_port:
            page = socket.create_server((self.opts.host, self.opts.metrics_port), backlog=64)
            threading.Thread(target=self.accept, args=(page,), daemon=True).start()
        say(f"Listening on http://{self.opts.host}:{sock.getsockname()[1]}")
        tree.hold_port()
        threading.Thread(target=self.accept, args=(sock,), daemon=True).start()

    def accept(self, sock):
        while True:
            connection, peer = sock.accept()
            threading.Thread(target=Connection(self, connection, peer).serve, daemon=True).start()

    def load(self):
        """Takes --startup-s, or for ever, or dies."""
        opts = self.opts
        say("Loading weights")
        for line in opts.log_line + [os.environ.get(name, f"{name} is not set") for name in opts.log_env]:
            say(line)
        time.sleep(LIFE_S if opts.never_ready else opts.startup_s)
        if opts.die_while_loading is not None:
            os._exit(opts.die_while_loading)


class Connection:
    """One kept-alive HTTP/1.1 connection, served by a thread of its own."""

    def __init__(self, engine, sock, peer):
        self.engine, self.opts, self.sock, self.peer = engine, engine.opts, sock, peer
        self.rest, self.keep = b"", True

    def serve(self):
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.settimeout(5)
            while self.keep:
                self.answer(*self.read())
        except OSError:
            pass  # The client has gone, or was idle for too long.
        finally:
            self.sock.close()

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the client has gone")
        self.rest += data

    def read(self):
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").lower().split("\r\n")
        headers = dict(line.replace(" ", "").split(":", 1) for line in lines)
        self.keep = headers.get("connection") != "close"
        length = int(headers.get("content-length", "0"))
        while len(self.rest) < length:
            self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        method, path, _ = first.split(" ")
        return method.upper(), path, body

    def head(self, status, line, *headers):
        if not self.opts.no_access_log:
            access = f'INFO:     {self.peer[0]}:{self.peer[1]} - "{line} HTTP/1.1" {status}\n'
            os.write(1, access.encode())  # Access on stdout, the rest on stderr, as uvicorn does.
        # As ugly as it may be: no reason, odd case, no space after the colon.
        close = "keep-alive" if self.keep else "close"
        lines = [f"HTTP/1.1 {status} ", "SERVER:fake", *headers, f"connection:{close}", "", ""]
        return "\r\n".join(lines).encode()

    def respond(self, status, line, body, kind="application/json"):
        data = body.encode()
        self.sock.sendall(self.head(status, line, f"Content-type:{kind}", f"cOnTeNt-LeNgTh:{len(data)}") + data)

    def answer(self, method, path, body):
        engine, line = self.engine, f"{method} {path}"
        if not engine.ready.is_set():
            self.respond(503, line, json.dumps({"error": {"message": "Loading model"}}))
        elif path == "/health":
            self.respond(200, line, "")
        elif path == "/metrics" and self.opts.metrics_port in (None, self.sock.getsockname()[1]):
            self.respond(200, line, engine.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/version":
            self.respond(200, line, json.dumps({"version": VERSION}))
        elif path == "/v1/models" and time.monotonic() < engine.listed_at:
            if self.opts.until_listed == "empty":
                self.respond(200, line, json.dumps({"object": "list", "data": []}))
            else:
                self.respond(int(self.opts.until_listed), line, "")
        elif line.startswith("POST /v1/") and time.monotonic() < engine.listed_at:
            self.respond(404, line, "")
        elif path == "/v1/models":
            model = {"id": engine.model, "object": "model", "max_model_len": self.opts.context_length}
            self.respond(200, line, json.dumps({"object": "list", "data": [model]}))
        elif line in ("POST /v1/chat/completions", "POST /v1/completions"):
            ask = json.loads(body)
            if self.opts.answer_with and self.opts.answer_with not in ask:
                self.respond(400, line, json.dumps({"error": {"message": f"no {self.opts.answer_with}"}}))
            elif ask.get("model", engine.model) == engine.model:
                self.generate(line, ask)
            else:
                self.respond(404, line, json.dumps({"error": {"message": f"no model {ask['model']}"}}))
        else:
            self.respond(404, line, json.dumps({"error": {"message": "Not Found"}}))

    def generate(self, line, ask):
        """Streams as many tokens as were asked for, each at its time."""
        begin = time.monotonic()
        chat = "messages" in ask
        text = " ".join(message["content"] for message in ask["messages"]) if chat else ask["prompt"]
        prompt, tokens = 1 + len(text.split()), ask.get("max_tokens") or 16
        self.sock.sendall(self.head(200, line, "Content-Type:text/event-stream", "Transfer-Encoding:Chunked"))
        self.engine.count(prompt, 0, 0)
        self.chunk(b": a comment, as proxies send them to keep a connection open\r\n\r\n")
        for number in range(1, tokens + 1):
            due = begin + (self.opts.ttft_ms + self.opts.itl_ms * (number - 1)) / 1e3
            time.sleep(max(0.0, due - time.monotonic()))
            self.engine.count(0, 1, 0)
            word = {"delta": {"content": f" word{number}"}} if chat else {"text": f" word{number}"}
            choice = {"index": 0, "finish_reason": "length" if number == tokens else None, **word}
            self.event({"choices": [choice], "usage": self.usage(prompt, number)})
        self.event({"choices": [], "usage": self.usage(prompt, tokens)})
        self.engine.count(0, 0, 1)
        self.chunk(b"data: [DONE]\r\n\r\n")
        self.sock.sendall(b"0\r\n\r\n")

    def usage(self, prompt, completion):
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def event(self, body):
        """No space after the colon, lines that end in CRLF, a name that nobody asked for."""
        self.chunk(f"event:message\r\ndata:{json.dumps(body)}\r\n\r\n".encode())

    def chunk(self, data):
        """One HTTP chunk in one send(): a size with zeros before it, in capitals, and an extension."""
        self.sock.sendall(b"%06X;odd=1\r\n%s\r\n" % (len(data), data))


def on_sigterm(opts):
    asked = 0

    def stop(*_):
        nonlocal asked
        asked += 1
        if asked <= opts.ignore_sigterm:
            say("SIGTERM received; ignored")
        else:
            say("SIGTERM received; shutting down")
            os._exit(0)
    return stop


def main():
    opts = options()
    # Signals first, so that one that comes while loading does what the options say.
    signal.signal(signal.SIGTERM, on_sigterm(opts))
    signal.signal(signal.SIGALRM, lambda *_: os._exit(3))
    signal.alarm(LIFE_S)
    if opts.environment:
        with open(opts.environment, "w", encoding="utf-8") as file:
            json.dump(dict(os.environ), file)
    engine, tree = Engine(opts), Tree(opts)
    tree.grow()
    if opts.startup_mode == "503":
        engine.listen(tree)
        engine.load()
    else:
        engine.load()
        engine.listen(tree)
    engine.ready.set()
    say(f"Ready, serving {engine.model}")
    while not (opts.crash_on and os.path.exists(opts.crash_on)):
        time.sleep(0.02 if opts.crash_on else LIFE_S)
    say("engine died")
    os._exit(0)


if __name__ == "__main__":
    main()
