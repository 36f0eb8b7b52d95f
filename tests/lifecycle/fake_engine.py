"""A pretend engine: a server in Python's standard library, with the ill manners of real ones as options."""
import argparse, http.server, json, os, signal, socketserver, subprocess, sys, threading, time
parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--model", default="our-model")
parser.add_argument("--loading", type=float, default=0.0)
parser.add_argument("--never-ready", action="store_true")
parser.add_argument("--refuse-while-loading", action="store_true")
parser.add_argument("--die-while-loading", action="store_true")
parser.add_argument("--crash-on")
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--deaf-once", action="store_true")
parser.add_argument("--no-ready-path", action="store_true")
parser.add_argument("--helpers")
parser.add_argument("--hold-port", action="store_true")
parser.add_argument("--environment")
parser.add_argument("--say")
options = parser.parse_args()
asked = 0
def on_term(number, frame):
    global asked
    asked += 1
    if options.deaf or (options.deaf_once and asked == 1):
        print("SIGTERM ignored", flush=True)
    else:
        os._exit(0)
signal.signal(signal.SIGTERM, on_term)
if options.say:
    print(options.say, flush=True)
if options.environment:
    json.dump(dict(os.environ), open(options.environment, "w"))
if options.helpers:
    # A child in our group, and a grandchild in a session of its own whose parent is gone.
    child = subprocess.Popen(["sleep", "600"])
    read, write = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, str(os.getpid()).encode())
            os.closerange(0, 256)
            time.sleep(600)
        os._exit(0)
    os.waitpid(middle, 0)
    orphan = int(os.read(read, 20))
    with open(options.helpers + ".new", "w") as file:
        file.write(f"{child.pid} {orphan}")
    os.rename(options.helpers + ".new", options.helpers)
print("loading weights", flush=True)
if options.die_while_loading:
    time.sleep(0.3)
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)
    print("see above", flush=True)
    sys.exit(1)
start = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        loading = options.never_ready or time.monotonic() - start < options.loading
        if self.path == "/ready" and options.no_ready_path:
            self.answer(404)
        elif loading:
            self.answer(503)
        elif self.path == "/v1/models":
            self.answer(200, json.dumps({"data": [{"id": options.model}]}).encode())
        else:
            self.answer(200)
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
if options.refuse_while_loading:
    time.sleep(options.loading)
server = Server(("127.0.0.1", options.port), Handler)
if options.hold_port and os.fork() == 0:
    # A child in a session of its own that keeps the listening socket.
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
def watch():
    while options.crash_on:
        if os.path.exists(options.crash_on):
            print("engine died", flush=True)
            os._exit(0)
        time.sleep(0.02)
threading.Thread(target=watch, daemon=True).start()
print("listening", flush=True)
server.serve_forever()
