#!/usr/bin/env python3
"""A pretend engine for tests of the real binary: OpenAI's wire as vLLM speaks it, with faults on demand.

It answers with made-up words at stated times and counts what it serves truthfully. Every fault is an option,
see --help. Standard library only; no http.server, so that it starts at once and each SSE event is one send().
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time

VERSION = "0.1.0"
WORDS = "the river ran past low stone walls and under a bridge that nobody had named in a hundred years".split()
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 429: "Too Many Requests",
           500: "Internal Server Error", 503: "Service Unavailable"}


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    add = parser.add_argument
    add("--version", action="version", version=f"fake-engine {VERSION}")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8000)
    add("--model", default="", help="accepted as other engines do, and not read")
    add("--served-model-name", default="fake")
    add("--context-length", type=int, default=4096, help="prompt and answer; a longer prompt is answered 400")
    add("--max-batch", type=int, default=256, help="requests that generate at once; others wait")
    add("--keep-alive-s", type=float, default=5.0, help="idle connections are closed after this, as uvicorn does")
    add("--max-life-s", type=float, default=900.0, help="safety: it and its children end themselves after this")
    timing = parser.add_argument_group("timing")
    timing.add_argument("--ttft-ms", type=float, default=5.0)
    timing.add_argument("--itl-ms", type=float, default=1.0)
    timing.add_argument("--startup-s", type=float, default=0.0, help="loading takes so long")
    timing.add_argument("--startup-mode", choices=["refused", "503"], default="refused",
                        help="while loading: no listener, or HTTP 503 on every path")
    start = parser.add_argument_group("faults of the start")
    start.add_argument("--never-ready", action="store_true", help="loads for ever")
    start.add_argument("--die-while-loading", type=int, metavar="CODE", help="exits with CODE after --startup-s")
    start.add_argument("--log-line", action="append", default=[], metavar="TEXT", help="written while loading")
    start.add_argument("--log-env", action="append", default=[], metavar="NAME",
                       help="writes this environment variable while loading, as engines do with their settings")
    start.add_argument("--foreign-model", action="store_true", help="serves another model than the one asked for")
    load = parser.add_argument_group("faults under load (on generating requests)")
    load.add_argument("--faults-after", type=int, default=0, metavar="N", help="the first N requests are served well")
    load.add_argument("--die-after-requests", type=int, metavar="N",
                      help="after N answers the next one is cut by the end of the process")
    load.add_argument("--error-event-after", type=int, metavar="N", help="error event after N tokens")
    load.add_argument("--status", type=int, metavar="CODE", help="answers CODE to --status-share of the requests")
    load.add_argument("--status-share", type=float, default=1.0, metavar="SHARE", help="0 to 1, spread evenly")
    load.add_argument("--truncate-after", type=int, metavar="N", help="the stream ends after N tokens")
    load.add_argument("--truncate-mode", choices=["cut", "clean"], default="cut",
                      help="the connection breaks, or the body ends without finish reason and [DONE]")
    load.add_argument("--stall-after", type=int, metavar="N", help="silence for ever after N tokens")
    load.add_argument("--short-output", action="store_true", help="half of the tokens, whatever was asked")
    load.add_argument("--natural-stop", type=int, metavar="N", help="stops after N tokens unless ignore_eos is set")
    load.add_argument("--eos-in-usage", action="store_true", help="a natural stop counts one more token, as in vLLM")
    load.add_argument("--no-usage", action="store_true", help="never sends usage")
    stop = parser.add_argument_group("faults of the stop")
    stop.add_argument("--ignore-sigterm", action="store_true")
    stop.add_argument("--orphan-child", action="store_true",
                      help="a grandchild in a session of its own, parent gone; ignores SIGTERM")
    stop.add_argument("--hold-port", action="store_true",
                      help="a child keeps the listening socket after the main process has ended; ignores SIGTERM")
    parser.add_argument("--served-file", metavar="FILE",
                        help="gets the Unix time of the end of every whole answer, a line each, before its last bytes")
    stop.add_argument("--pid-file", metavar="FILE", help="gets a line 'orphan PID' or 'holder PID' a child")
    return parser.parse_args()


def log(text):
    sys.stderr.write(f"INFO {time.strftime('%H:%M:%S')} [fake] {text}\n")
    sys.stderr.flush()


def access(peer, method, path, status):
    sys.stdout.write(f'INFO:     {peer[0]}:{peer[1]} - "{method} {path} HTTP/1.1" {status} {REASONS.get(status, "")}\n')
    sys.stdout.flush()


def leave(code):
    """Ends the process at once, whatever its threads do."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except RuntimeError:
            pass  # a signal in the middle of a write: every line was flushed as it was written
    os._exit(code)


class Engine:
    """What the connections share: the options, the counts, and whether the model is loaded."""

    def __init__(self, opts):
        self.opts = opts
        self.model = "somebody-elses-model" if opts.foreign_model else opts.served_model_name
        self.lock = threading.Lock()
        self.batch = threading.Semaphore(opts.max_batch)
        self.ready = threading.Event()
        self.prompt_tokens = self.generated_tokens = 0
        self.requests = self.answered = self.running = 0

    def next_request(self):
        """Number of a generating request, from 0."""
        with self.lock:
            self.requests += 1
            return self.requests - 1

    def count(self, prompt=0, generated=0, running=0, answered=0):
        with self.lock:
            self.prompt_tokens += prompt
            self.generated_tokens += generated
            self.running += running
            self.answered += answered

    def answer_ends(self):
        """Counted before the client can know: whoever has read the end finds it in the counts."""
        self.count(answered=1)
        if self.opts.served_file:
            with self.lock, open(self.opts.served_file, "a", encoding="utf-8") as file:
                file.write(f"{time.time():.6f}\n")

    def metrics(self):
        label = f'{{model_name="{self.model}",engine="0"}}'
        with self.lock:
            rows = [
                ("prompt_tokens_total", "counter", "Prefill tokens processed.", self.prompt_tokens),
                ("prompt_tokens_cached_total", "counter", "Prompt tokens from the prefix cache.", 0),
                ("generation_tokens_total", "counter", "Tokens generated.", self.generated_tokens),
                ("requests_total", "counter", "Answers that reached their end.", self.answered),
                ("num_requests_running", "gauge", "Requests that generate.", self.running),
            ]
        return "".join(f"# HELP fake:{name} {help_}\n# TYPE fake:{name} {kind}\nfake:{name}{label} {value}.0\n"
                       for name, kind, help_, value in rows)


class BadRequest(Exception):
    """The request is answered with this status and message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Connection:
    """One kept-alive HTTP/1.1 connection, served by a thread of its own."""

    def __init__(self, engine, sock, peer):
        self.engine, self.opts, self.sock, self.peer = engine, engine.opts, sock, peer
        self.rest = b""
        self.keep = True

    def serve(self):
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self.keep:
                request = self.read_request()
                if request is None:
                    break
                self.answer(*request)
        except (ConnectionError, TimeoutError, OSError):
            pass
        finally:
            self.sock.close()

    def read_request(self):
        """(method, path, body), or None when the client has gone or is idle for too long."""
        self.sock.settimeout(self.opts.keep_alive_s)
        while b"\r\n\r\n" not in self.rest:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.rest += data
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {name.strip().lower(): value.strip()
                   for name, _, value in (line.partition(":") for line in lines[1:])}
        self.keep = headers.get("connection", "").lower() != "close"
        length = int(headers.get("content-length", "0"))
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.rest) < length:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.rest += data
        body, self.rest = self.rest[:length], self.rest[length:]
        self.sock.settimeout(None)
        return method, path.partition("?")[0], body

    def respond(self, method, path, status, body, kind="application/json"):
        access(self.peer, method, path, status)
        data = body.encode()
        connection = "keep-alive" if self.keep else "close"
        self.sock.sendall((f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nserver: fake\r\ncontent-type: {kind}\r\n"
                           f"content-length: {len(data)}\r\nconnection: {connection}\r\n\r\n").encode() + data)

    def refuse(self, method, path, status, message):
        error = {"error": {"message": message, "type": REASONS.get(status, "Error"), "param": None, "code": status}}
        self.respond(method, path, status, json.dumps(error))

    def answer(self, method, path, body):
        if not self.engine.ready.is_set():
            self.refuse(method, path, 503, "Loading model")
        elif path == "/health":
            self.respond(method, path, 200, "")
        elif path == "/metrics":
            self.respond(method, path, 200, self.engine.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/version":
            self.respond(method, path, 200, json.dumps({"version": VERSION}))
        elif path == "/v1/models":
            model = {"id": self.engine.model, "object": "model", "created": 0, "owned_by": "fake",
                     "max_model_len": self.opts.context_length}
            self.respond(method, path, 200, json.dumps({"object": "list", "data": [model]}))
        elif path not in ("/v1/chat/completions", "/v1/completions"):
            self.refuse(method, path, 404, "Not Found")
        elif method != "POST":
            self.refuse(method, path, 405, "Method Not Allowed")
        else:
            number = self.engine.next_request()
            try:
                Generation(self, path, body, number).run(method)
            except BadRequest as error:
                self.refuse(method, path, error.status, str(error))

    def send_chunk(self, data):
        """One HTTP chunk, one send()."""
        self.sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def wait_until(self, when):
        delay = when - time.monotonic()
        if delay > 0:
            time.sleep(delay)

    def hang(self):
        """Silence until the client closes."""
        self.sock.settimeout(None)
        while self.sock.recv(65536):
            pass
        raise ConnectionError("the client closed a stalled stream")


class Generation:
    """One generating request: what was asked, and its answer with the fault that is due."""

    def __init__(self, connection, path, body, number):
        self.connection, self.engine, self.opts = connection, connection.engine, connection.opts
        self.path, self.number = path, number
        self.chat = path.endswith("chat/completions")
        self.id = f"{'chatcmpl' if self.chat else 'cmpl'}-fake{number:08x}"
        self.parse(body)
        self.faulty = number >= self.opts.faults_after
        self.plan_length()

    def parse(self, body):
        try:
            ask = json.loads(body)
        except ValueError as error:
            raise BadRequest(400, f"JSON decode error: {error}") from None
        if not isinstance(ask, dict):
            raise BadRequest(400, "expected an object")
        if ask.get("model", self.engine.model) != self.engine.model:
            raise BadRequest(404, f"The model `{ask['model']}` does not exist.")
        if self.chat:
            messages = ask.get("messages")
            if not isinstance(messages, list) or not messages:
                raise BadRequest(400, "Field required: messages")
            # Four tokens a message and three before the answer, as chat templates add some.
            self.prompt_tokens = 3 + sum(4 + len(str(m.get("content", "")).split()) for m in messages)
        else:
            if not isinstance(ask.get("prompt"), str):
                raise BadRequest(400, "Field required: prompt")
            self.prompt_tokens = 1 + len(ask["prompt"].split())
        room = self.opts.context_length - self.prompt_tokens
        if room < 1:
            raise BadRequest(400, f"This model's maximum context length is {self.opts.context_length} tokens, "
                                  f"the prompt has {self.prompt_tokens}.")
        asked = ask.get("max_tokens") or ask.get("max_completion_tokens") or 16
        self.max_tokens = min(int(asked), room)
        self.ignore_eos = bool(ask.get("ignore_eos"))
        self.stream = bool(ask.get("stream"))
        stream_options = ask.get("stream_options") or {}
        self.include_usage = bool(stream_options.get("include_usage")) and not self.opts.no_usage
        self.continuous = bool(stream_options.get("continuous_usage_stats")) and self.include_usage

    def plan_length(self):
        """Tokens to show, the finish reason, and tokens that are counted but not shown."""
        self.length, self.finish, self.hidden = self.max_tokens, "length", 0
        natural = self.opts.natural_stop
        if natural is not None and natural < self.max_tokens and not self.ignore_eos:
            self.length, self.finish = natural, "stop"
            self.hidden = 1 if self.opts.eos_in_usage else 0
        if self.faulty and self.opts.short_output:
            self.length, self.finish, self.hidden = self.max_tokens // 2, "stop", 0

    def status_is_due(self):
        if not self.faulty or self.opts.status is None:
            return False
        turn = self.number - self.opts.faults_after
        return int((turn + 1) * self.opts.status_share + 1e-9) > int(turn * self.opts.status_share + 1e-9)

    def run(self, method):
        if self.status_is_due():
            raise BadRequest(self.opts.status, "a status that the test asked for")
        with self.engine.batch:
            self.engine.count(running=1)
            try:
                if self.stream:
                    self.run_stream(method)
                else:
                    self.run_whole(method)
            finally:
                self.engine.count(running=-1)

    def run_whole(self, method):
        self.engine.count(prompt=self.prompt_tokens)
        self.connection.wait_until(time.monotonic() + (self.opts.ttft_ms + self.opts.itl_ms * self.length) / 1e3)
        self.engine.count(generated=self.length + self.hidden)
        text = "".join(self.word(i) for i in range(self.length))
        choice = {"index": 0, "finish_reason": self.finish, "logprobs": None}
        choice.update({"message": {"role": "assistant", "content": text}} if self.chat else {"text": text})
        body = self.envelope([choice])
        body["object"] = "chat.completion" if self.chat else "text_completion"
        if not self.opts.no_usage:
            body["usage"] = self.usage(self.length + self.hidden)
        self.engine.answer_ends()
        self.connection.respond(method, self.path, 200, json.dumps(body))

    def run_stream(self, method):
        begin = time.monotonic()
        access(self.connection.peer, method, self.path, 200)
        connection = "keep-alive" if self.connection.keep else "close"
        self.connection.sock.sendall((
            "HTTP/1.1 200 OK\r\nserver: fake\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            f"connection: {connection}\r\ntransfer-encoding: chunked\r\n\r\n").encode())
        self.engine.count(prompt=self.prompt_tokens)
        for i in range(self.length):
            self.fault(i)
            self.connection.wait_until(begin + (self.opts.ttft_ms + self.opts.itl_ms * i) / 1e3)
            if i == 0 and self.chat:
                self.event(self.delta({"role": "assistant", "content": ""}, None, 0))
            self.engine.count(generated=1)
            last = i + 1 == self.length and self.finish == "length"
            self.event(self.text(self.word(i), "length" if last else None, i + 1))
        self.fault(self.length)
        if self.finish == "stop":
            self.engine.count(generated=self.hidden)
            self.event(self.text("", "stop", self.length + self.hidden))
        if self.include_usage:
            body = self.envelope([])
            body["usage"] = self.usage(self.length + self.hidden)
            self.event(body)
        self.engine.answer_ends()
        self.done()

    def fault(self, tokens):
        """Whatever is to go wrong once so many tokens are out."""
        opts = self.opts
        if opts.die_after_requests is not None and self.engine.answered >= opts.die_after_requests:
            if tokens >= max(1, self.length // 2):
                sys.stderr.write("ERROR [fake] engine core died: the test asked for it\n")
                leave(1)
        if not self.faulty:
            return
        if tokens == opts.error_event_after:
            self.event({"error": {"message": "an error that the test asked for", "type": "InternalServerError",
                                  "param": None, "code": 500}})
            self.done()
            raise ConnectionError("error event sent")
        if tokens == opts.truncate_after:
            if opts.truncate_mode == "clean":
                self.connection.sock.sendall(b"0\r\n\r\n")
            raise ConnectionError("truncated")
        if tokens == opts.stall_after:
            self.connection.hang()

    def done(self):
        self.connection.send_chunk(b"data: [DONE]\n\n")
        self.connection.sock.sendall(b"0\r\n\r\n")

    def event(self, body):
        text = json.dumps(body, separators=(",", ":"))
        self.connection.send_chunk(f"data: {text}\n\n".encode())

    def word(self, i):
        return ("" if i == 0 else " ") + WORDS[(self.number + i) % len(WORDS)]

    def text(self, text, finish, tokens):
        if self.chat:
            return self.delta({"content": text}, finish, tokens)
        return self.choice({"index": 0, "text": text, "logprobs": None, "finish_reason": finish}, tokens)

    def delta(self, delta, finish, tokens):
        return self.choice({"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}, tokens)

    def choice(self, choice, tokens):
        body = self.envelope([choice])
        if self.continuous:
            body["usage"] = self.usage(tokens)
        return body

    def envelope(self, choices):
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {"id": self.id, "object": kind, "created": int(time.time()), "model": self.engine.model,
                "choices": choices}

    def usage(self, completion):
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens + completion,
                "completion_tokens": completion}


def note_pid(opts, kind):
    if opts.pid_file:
        with open(opts.pid_file, "a", encoding="utf-8") as file:
            file.write(f"{kind} {os.getpid()}\n")


def sleep_out(opts):
    """A child's whole life: it ignores SIGTERM and ends itself in the end, so that no test leaves it for good."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(opts.max_life_s)
    os._exit(0)


def spawn_orphan(opts):
    """Double fork and setsid: its parent is gone before the engine listens."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    note_pid(opts, "orphan")
    sleep_out(opts)


def spawn_holder(opts):
    if os.fork() == 0:
        note_pid(opts, "holder")
        sleep_out(opts)


def listen(opts):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((opts.host, opts.port))
    except OSError as error:
        sys.stderr.write(f"ERROR [fake] {error}: {opts.host}:{opts.port}\n")
        leave(1)
    sock.listen(1024)
    log(f"Listening on http://{opts.host}:{sock.getsockname()[1]}")
    if opts.hold_port:
        spawn_holder(opts)
    return sock


def load_model(opts):
    """Takes --startup-s, or for ever, or dies."""
    begin = time.monotonic()
    log(f"Loading model {opts.model or opts.served_model_name}")
    for line in opts.log_line + [os.environ.get(name, f"{name} is not set") for name in opts.log_env]:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    step = 0
    while opts.never_ready or time.monotonic() - begin < opts.startup_s:
        left = 0.1 if opts.never_ready else min(0.1, opts.startup_s - (time.monotonic() - begin))
        time.sleep(max(0.0, left))
        step += 1
        log(f"Loading weights, shard {step}")
    if opts.die_while_loading is not None:
        leave(opts.die_while_loading)


def accept_loop(engine, sock):
    while True:
        try:
            connection, peer = sock.accept()
        except OSError:
            return
        threading.Thread(target=Connection(engine, connection, peer).serve, daemon=True).start()


def on_sigterm(opts):
    if opts.ignore_sigterm:
        return lambda *_: log("SIGTERM received; ignored")

    def stop(*_):
        log("SIGTERM received; shutting down")
        leave(0)
    return stop


def main():
    opts = options()
    log(f"fake engine {VERSION}, pid {os.getpid()}")
    # Signals first, so that one that comes while loading does what the options say; forks reset them.
    signal.signal(signal.SIGTERM, on_sigterm(opts))
    signal.signal(signal.SIGINT, on_sigterm(opts))
    signal.signal(signal.SIGALRM, lambda *_: leave(3))
    signal.setitimer(signal.ITIMER_REAL, opts.max_life_s)
    if opts.orphan_child:
        spawn_orphan(opts)
    engine = Engine(opts)
    if opts.startup_mode == "503":
        sock = listen(opts)
        threading.Thread(target=accept_loop, args=(engine, sock), daemon=True).start()
        load_model(opts)
    else:
        load_model(opts)
        sock = listen(opts)
        threading.Thread(target=accept_loop, args=(engine, sock), daemon=True).start()
    engine.ready.set()
    log(f"Ready, serving {engine.model}")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
