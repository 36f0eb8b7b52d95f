#!/usr/bin/env python3
"""A stand-in for docker: a container is a process of its own and a file that holds its pid."""
import os, signal, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
def gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
def end(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
verb, rest = sys.argv[1], sys.argv[2:]
if verb == "run":
    name = rest[rest.index("--name") + 1]
    published = rest[rest.index("-p") + 1].split(":")
    image = rest.index("fake/engine:1")
    engine = [sys.executable, ENGINE, *rest[image + 1:], "--port", published[1]]
    container = subprocess.Popen(engine, start_new_session=True)
    with open(here + "/container-" + name, "w") as file:
        file.write(f"{container.pid} {rest[rest.index('--label') + 1].partition('=')[2]}")
    sys.exit(container.wait())
file = here + "/container-" + rest[-1]
if not os.path.exists(file):
    sys.exit("Error: No such container: " + rest[-1])
pid, mark = open(file).read().split(" ", 1)
pid = int(pid)
if verb == "stop":
    end(pid, signal.SIGTERM)
    deadline = time.monotonic() + float(rest[rest.index("-t") + 1])
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    end(pid, signal.SIGKILL)
elif verb == "inspect":
    print(mark)
elif verb == "rm":
    end(pid, signal.SIGKILL)
    os.remove(file)
