#!/usr/bin/env python3
"""Prints what the load engine costs and how exact it is. Called by scripts/bench_exactness.sh."""

import argparse
import glob
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

# The engine ends with this program however it is ended, and a client without its engine ends by itself.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECTIONS = ["cpu", "closed", "open", "acks", "arrivals", "live", "records", "simulator", "startup"]
STREAMS, TOKENS, TTFT_MS, ITL_MS, WARMUP = 1000, 128, 50, 20, 2


def target_directory(manifest):
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest]
    return json.loads(subprocess.check_output(command))["target_directory"]


def built(name, manifest):
    """The release build of a program, or what the environment names instead, built elsewhere."""
    return os.environ.get(f"BENCH_{name.upper()}") or os.path.join(
        target_directory(os.path.join(ROOT, manifest)), "release", name
    )


HARNESS = os.path.abspath(built("harness", "Cargo.toml"))
FLOOR = os.path.abspath(built("floor", "benches/floor/Cargo.toml"))
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]


def raise_open_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Simulator:
    """A pretend engine pinned to the server's core."""

    def __init__(self, *arguments):
        # The floor asks for the model `referee`.
        command = [HARNESS, "simulate", "--model", "referee", "--output-tokens", str(TOKENS), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE})
        )
        line = self.process.stdout.readline()
        found = re.search(r"listening on http://[\d.]+:(\d+)", line)
        if not found:
            self.__exit__()
            sys.exit(f"the pretend engine did not come up: {line}")
        self.port = int(found.group(1))

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return json.load(answer)

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def check(self, requests, tokens):
        """Every request and every token was asked for, and the server wrote them all."""
        truth = self.get("/truth/summary")
        if (truth["completed"], truth["tokens"]) != (requests, tokens):
            sys.exit(f"the server completed {truth['completed']} requests of {requests}, {truth['tokens']} tokens of {tokens}")
        return truth

    def reset(self):
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/truth/reset", data=b"", timeout=60).close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def client(command, cores=None, environment=None):
    """Runs a client on its core to its end: CPU seconds and the most memory resident, bytes."""
    cores = cores or {CLIENT_CORE}
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        env={**os.environ, **(environment or {})},
    )
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def harness_bench(port, folder, requests, *further, program=HARNESS, warmup=0):
    dataset = os.path.join(folder, "hello.json")
    with open(dataset, "w") as file:
        json.dump([{"id": "hello", "category": "chat", "prompt": "hello", "max_tokens": TOKENS}], file)
    return [
        program, "bench", "--url", f"http://127.0.0.1:{port}", "--backend", "vllm", "--endpoint", "completions",
        "--dataset", dataset, "--requests", str(requests), "--ignore-eos", "--warmup", str(warmup),
        "--output", os.path.join(folder, "results"), "--quiet", *further,
    ]  # fmt: skip


def floor(port, requests):
    return [FLOOR, "--port", str(port), "--requests", str(requests), "--concurrency", str(STREAMS), "--tokens", str(TOKENS)]  # fmt: skip


def cpu_slopes(few, many, rounds):
    """CPU a token: the slope between two lengths of run leaves out start-up, files and plots."""
    # The harness with the warm-up in which it learns how the server takes acknowledgements.
    programs = {"harness": HARNESS}
    if "BENCH_OTHER" in os.environ:
        programs["other build"] = os.environ["BENCH_OTHER"]
    slopes = {"floor": [], **{name: [] for name in programs}}
    seen = []
    with Simulator("--ttft", f"{TTFT_MS}ms", "--itl", f"{ITL_MS}ms") as server, tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name in slopes:
                cpu = {}
                for requests in (few, many):
                    server.reset()
                    command = (
                        floor(server.port, requests)
                        if name == "floor"
                        else harness_bench(
                            server.port, folder, requests, "--concurrency", str(STREAMS), program=programs[name], warmup=WARMUP
                        )
                    )
                    cpu[requests], _ = client(command)
                    truth = server.get("/truth/summary")
                    seen.append((name, requests, truth["tokens"], truth["peak_in_flight"]))
                slopes[name].append((cpu[many] - cpu[few]) * 1e6 / ((many - few) * TOKENS))
    return slopes, seen


def pin_simulator(stop):
    """Moves the pretend engine that a calibration starts to the server's core, and looks no further."""
    while not stop.wait(0.01):
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if words[:2] == [HARNESS.encode(), b"simulate"]:
                    os.sched_setaffinity(int(entry), {SERVER_CORE})
                    return
            except OSError:
                continue


def calibrate(loads, seconds, threads=1):
    """Each load's figures, server and client on a core each."""
    stop = threading.Event()
    watcher = threading.Thread(target=pin_simulator, args=(stop,))
    watcher.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            command = [HARNESS, "calibrate", "--loads", loads, "--save", "--duration", f"{seconds}s", "--quiet"]
            client([*command, "--client-threads", str(threads)], environment={"HARNESS_DATA_DIR": folder})
            with open(os.path.join(folder, "calibration.json")) as file:
                return json.load(file)["loads"]
    finally:
        stop.set()
        watcher.join()


def live_memory(counts):
    """Most memory resident with so many requests live at once, MB."""
    found = []
    for count in counts:
        # Every request is sent before the first one's first token.
        with Simulator("--ttft", "12s", "--itl", "200ms") as server, tempfile.TemporaryDirectory() as folder:
            command = harness_bench(server.port, folder, count, "--concurrency", str(count), "--ramp", "5s")
            _, most = client(command)
            peak = server.get("/truth/summary")["peak_in_flight"]
        found.append((count, peak, most / 1e6))
    return found


def many_records(requests, tokens=8):
    """Memory of a run of so many short requests, and of the report that reads its records back, MB."""
    writes = str(2 * requests * tokens)
    with Simulator("--ttft", "1ms", "--itl", "1ms", "--truth-limit", writes) as server, tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        command = harness_bench(server.port, folder, requests, "--concurrency", "200", "--max-tokens", str(tokens))
        _, most = client(command)
        seconds = time.monotonic() - started
        server.check(requests, requests * tokens)
        (file,) = glob.glob(os.path.join(folder, "results", "*_records.jsonl.zst"))
        size = os.path.getsize(file)
        report_started = time.monotonic()
        _, report_most = client([HARNESS, "report", file])
        return most / 1e6, seconds, size / 1e6, report_most / 1e6, time.monotonic() - report_started


def ttft_beside_truth(server, binary, streams, is_open, rounds):
    """TTFT of requests of 16 tokens, mean and p99 by the client and mean by the server, ms."""
    tokens, ttft_s, itl_s = 16, 0.010, 0.020
    requests = streams * rounds
    traffic = ["--rate", f"{streams / (ttft_s + (tokens - 1) * itl_s):.3f}"] if is_open else ["--concurrency", str(streams), "--ramp", "0s"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        client([
            binary, "bench", "--url", f"http://127.0.0.1:{server.port}", "--backend", "vllm", "--endpoint", "completions",
            "--requests", str(requests), "--max-tokens", str(tokens), "--ignore-eos", "--warmup", str(streams),
            "--output", os.path.join(folder, "results"), "--quiet", *traffic,
        ])  # fmt: skip
        (file,) = glob.glob(os.path.join(folder, "results", "*_[0-9]*.json"))
        with open(file) as run:
            ttft = json.load(run)["summary"]["metrics"]["ttft_ms"]
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/truth", timeout=60) as answer:
        truth = sorted(map(json.loads, answer.read().splitlines()), key=lambda line: line["arrival_mono_ns"])[-requests:]
    own = statistics.mean(line["writes"][0][1] - line["arrival_mono_ns"] for line in truth) / 1e6
    server.reset()
    return ttft["mean"], ttft["p99"], own


def startup_ms(runs=20):
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([HARNESS, "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times), max(times)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def table(title, *heads):
    print(f"\n{title}\n")
    row(*heads)
    row(*["---"] * len(heads))


def show_cpu(few, many, rounds):
    slopes, seen = cpu_slopes(few, many, rounds)
    table(f"CPU a token, {STREAMS} streams of {1000 // ITL_MS} tok/s: slope between {few} and {many} requests of {TOKENS} tokens", "client", "median, µs", "each round", "times the floor")  # fmt: skip
    base = statistics.median(slopes["floor"])
    for name, values in slopes.items():
        median = statistics.median(values)
        row(name, f"{median:.3f}", ", ".join(f"{value:.3f}" for value in values), f"{median / base:.2f}")
    for name, requests, tokens, peak in seen:
        asked = requests * TOKENS
        # Before the load a harness reads one answer, and those of its warm-up, which may be shorter.
        if not asked <= tokens <= asked + (0 if name == "floor" else WARMUP + 1) * TOKENS:
            print(f"\n{name}, {requests} requests: the server wrote {tokens} tokens, not {asked}")
    peaks = [peak for name, requests, _, peak in seen if requests == many]
    print(f"\nMost in flight at the server in the long runs: {min(peaks)} to {max(peaks)}")


def figures(error):
    return [f"{error['mean_ms']:.3f}", f"{error['p50_ms']:.3f}", f"{error['p99_ms']:.3f}"] if error else ["–"] * 3


def show_closed(loads, seconds):
    table("Error against the server's truth, closed loop (mean with its sign, p50 and p99 of the size)", "streams × tok/s", "TTFT mean, ms", "p50", "p99", "ITL mean, ms", "p50", "p99", "ITL mean, %", "merged, %", "paired")  # fmt: skip
    for load in loads:
        found = calibrate(load, seconds)[0]
        itl_ms = 1000 / found["load"]["tokens_per_s"]
        relative = 100 * found["itl"]["mean_ms"] / itl_ms if found["itl"] else float("nan")
        row(load, *figures(found["ttft"]), *figures(found["itl"]), f"{relative:.3f}", f"{100 * found['merged_events']:.2f}", f"{found['paired_for_itl']} of {found['issued']}")  # fmt: skip


def show_open(rate, seconds):
    table(f"Open loop at {rate} requests/s", "client threads", "arrival − due: mean, ms", "std", "p99", "send delay p99, ms", "gap CV", "dispersion (10 ms)", "lag-1", "requests")  # fmt: skip
    for threads in (1, 2, 4):
        found = calibrate(f"{rate}/s", seconds, threads)[0]
        due, gaps = found["arrival_minus_due_ms"], found["gaps"]
        row(threads, f"{due['mean']:.3f}", f"{due['std']:.3f}", f"{due['p99']:.3f}", f"{found['send_delay_ms']['p99']:.3f}", f"{gaps['variation']:.3f}", f"{gaps['dispersion']:.3f}", f"{gaps['lag_1']:.3f}", found["paired"])  # fmt: skip


def show_memory(counts):
    table(f"Memory of the client with live requests of {TOKENS} tokens", "requests", "most live at the server", "resident, MB")  # fmt: skip
    found = live_memory(counts)
    for count, peak, megabytes in found:
        row(count, peak, f"{megabytes:.1f}")
    (first, _, least), (last, _, most) = found[0], found[-1]
    print(f"\nSlope: {(most - least) * 1e6 / (last - first):.0f} bytes a live request")


def show_acks(rounds):
    clients = {"quick ACK": HARNESS}
    # A harness of before the quick ACK, where there is one: commit d1cdf8b.
    if "BENCH_WITHOUT_QUICK_ACK" in os.environ:
        clients["without"] = os.environ["BENCH_WITHOUT_QUICK_ACK"]
    heads = [f"{name}: {figure}" for name in clients for figure in ("mean", "p99", "server's own")]
    table("TTFT (ms) of a server whose first token is made 10 ms after the head, 20 ms between tokens", "server", "loop", "streams", *heads)  # fmt: skip
    for flags, name in (["--nagle"], "Nagle on"), ([], "TCP_NODELAY"):
        with Simulator("--ttft", "10ms", "--itl", "20ms", *flags) as server:
            for loop in ("closed", "open"):
                for streams in (1, 4, 32):
                    found = [ttft_beside_truth(server, binary, streams, loop == "open", rounds) for binary in clients.values()]
                    row(name, loop, streams, *(f"{value:.2f}" for values in found for value in values))


def show_arrivals(rate, seconds):
    table(f"Arrivals of an open loop at {rate} requests/s, one thread", "requests", "gap CV", "dispersion (10 ms)", "lag-1")
    found = calibrate(f"{rate}/s", seconds)[0]
    gaps = found["gaps"]
    row(found["paired"], f"{gaps['variation']:.4f}", f"{gaps['dispersion']:.4f}", f"{gaps['lag_1']:.4f}")


def show_simulator(requests):
    table("The pretend engine with no pause between tokens, one core, read by the floor", "streams", "tokens", "tok/s", "its CPU, µs a token")  # fmt: skip
    with Simulator("--ttft", "0ms", "--itl", "0ms", "--truth-limit", str(2 * requests * TOKENS)) as server:
        before, started = server.cpu_s(), time.monotonic()
        client(floor(server.port, requests))
        seconds, cpu_s = time.monotonic() - started, server.cpu_s() - before
        tokens = server.check(requests, requests * TOKENS)["tokens"]
        row(STREAMS, tokens, f"{tokens / seconds:,.0f}", f"{cpu_s * 1e6 / tokens:.2f}")


def show_records(requests):
    table(f"A run of {requests:,} requests of 8 tokens, and its report", "resident in the run, MB", "run, s", "records, MB", "resident in the report, MB", "report, s")  # fmt: skip
    row(*(f"{value:.1f}" for value in many_records(requests)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="these sections")
    arguments = parser.parse_args()
    quick, only = arguments.quick, arguments.only
    files = raise_open_files()
    if len(CORES) < 2:
        sys.exit("server and client need a core each")
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.uname().release}, cores {SERVER_CORE} and {CLIENT_CORE} of {os.cpu_count()}, load average {os.getloadavg()[0]:.2f} before")  # fmt: skip
    if "cpu" in only:
        show_cpu(*((1000, 2000, 1) if quick else (2000, 8000, 3)))
    if "closed" in only:
        show_closed(["250x50", "250x200", "1000x50"], 3 if quick else 20)
    if "open" in only:
        show_open(1000, 3 if quick else 15)
    if "acks" in only:
        show_acks(6 if quick else 30)
    if "arrivals" in only:
        show_arrivals(1000, 10 if quick else 100)
    if "live" in only:
        most = min(100_000, files - 500)
        show_memory([500, min(most, 2_000) if quick else most])
    if "records" in only:
        show_records(20_000 if quick else 1_000_000)
    if "simulator" in only:
        show_simulator(1_000 if quick else 8_000)
    if "startup" in only:
        median, slowest = startup_ms()
        print(f"\nharness --help: median {median:.1f} ms, slowest {slowest:.1f} ms of 20")


if __name__ == "__main__":
    main()
