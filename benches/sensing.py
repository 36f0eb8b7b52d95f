#!/usr/bin/env python3
"""What sensing costs: the same load with every sensor at its default and with none, in turn, beside a pretend engine.

    cargo build --release && benches/sensing.py [--streams 1000] [--seconds 20] [--rounds 4]

It prints, a round: CPU seconds of the whole client a second of load, with and without, their ratio, both TTFT p99, and the CPU
of the threads that sense, by the scheduler's account while the load goes; in the end the geometric mean of the ratios with its
standard error, and what sensing takes of a core by both ways. The first is the difference between a run of 5 s and one that is
longer by --seconds: start-up, files and charts are left out. It holds all effects and scatters as two runs do; the second holds
the threads' own work alone, and is the same from run to run. Give it a machine at rest; `--server-cores` and `--client-cores`
(as taskset takes them) keep the two apart."""
import argparse, glob, json, math, os, re, resource, statistics, subprocess, tempfile, time

flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
flags.add_argument("--harness", default="target/release/harness")
flags.add_argument("--streams", type=int, default=1000)
flags.add_argument("--seconds", type=int, default=20)
flags.add_argument("--rounds", type=int, default=4)
flags.add_argument("--server-cores")
flags.add_argument("--client-cores")
asked = flags.parse_args()
OFF = ["--gpu-interval", "0", "--host-interval", "0", "--scrape-interval", "0"]


def pinned(cores, command):
    return (["taskset", "-c", cores] if cores else []) + command


SHORT_S = 5


SENSING_THREADS = {"sampler", "gpus", "gpu-pcie"}
"""Names of the threads that do nothing but sense (src/monitor)."""
SETTLED_S = 3
"""So long after its start a client has opened its sensors and its connections, s."""


def play(url, seed, extra):
    """CPU seconds a second of load, TTFT p99 of the longer run (ms), and CPU seconds a second of the threads that sense."""
    (short, _, _), (long, p99, sensing) = (played(url, seed, extra, seconds) for seconds in (SHORT_S, SHORT_S + asked.seconds))
    return (long - short) / asked.seconds, p99, sensing


def played(url, seed, extra, seconds):
    """CPU seconds of the whole client, TTFT p99 (ms), and CPU seconds a second of the threads that sense."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = ["--concurrency", str(asked.streams), "--duration", f"{seconds}s", "--max-tokens", "128"]
        command = [asked.harness, "bench", "--url", url, "--backend", "vllm", "--ignore-eos", "--quiet", "--output", folder]
        client = subprocess.Popen(pinned(asked.client_cores, command + load + ["--seed", str(seed)] + extra),
                                  stdout=subprocess.DEVNULL)
        sensing = watched(client)
        if client.returncode:
            raise SystemExit(f"the client ended with {client.returncode}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        (path,) = [path for path in glob.glob(os.path.join(folder, "vllm_*.json"))]
        summary = json.load(open(path))["summary"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, summary["metrics"]["ttft_ms"]["p99"], sensing


def watched(client):
    """Waits for a client; CPU seconds a second of each of its sensing threads, together. Each from SETTLED_S to its last sight."""
    started, first, last = time.monotonic(), {}, {}
    while client.poll() is None:
        for task in glob.glob(f"/proc/{client.pid}/task/*"):
            try:
                name = open(task + "/comm").read().strip()
                ran_ns = int(open(task + "/schedstat").read().split()[0])
            except (OSError, IndexError):
                continue  # It ended meanwhile.
            at = time.monotonic() - started
            if name in SENSING_THREADS and at >= SETTLED_S:
                first.setdefault(task, (at, ran_ns))
                last[task] = (at, ran_ns)
        time.sleep(0.1)
    spans = [(last[task][0] - at, last[task][1] - ran_ns) for task, (at, ran_ns) in first.items()]
    return sum(ran_ns / 1e9 / span_s for span_s, ran_ns in spans if span_s > 1)


server = subprocess.Popen(pinned(asked.server_cores, [asked.harness, "simulate", "--engine", "vllm", "--port", "0"]),
                          stdout=subprocess.PIPE, text=True)
try:
    url = re.search(r"http://\S+", server.stdout.readline()).group()
    ratios, extra_cores, own_cores, alone = [], [], [], []
    for number in range(1, asked.rounds + 1):
        order = [[], OFF] if number % 2 else [OFF, []]
        told = {bool(extra): play(url, number, extra) for extra in order}
        (on, on_p99, sensing), (off, off_p99, _) = told[False], told[True]
        ratios.append(on / off)
        extra_cores.append(on - off)
        own_cores.append(sensing)
        alone.append(off)
        print(f"round {number}: {on:.4f} cores with, {off:.4f} without, ratio {on / off:.3f}; "
              f"TTFT p99 {on_p99:.2f} and {off_p99:.2f} ms; the threads that sense {100 * sensing:.3f} % of a core", flush=True)
    logs = [math.log(ratio) for ratio in ratios]
    error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else float("nan")
    print(f"ratio {math.exp(statistics.mean(logs)):.3f} ± {error:.3f} (standard error) over {len(ratios)} rounds, "
          f"{100 * statistics.mean(extra_cores):.2f} % of a core; by the threads that sense "
          f"{100 * statistics.mean(own_cores):.3f} %, ratio {1 + statistics.mean(own_cores) / statistics.mean(alone):.4f}")
finally:
    server.terminate()
    server.wait()
