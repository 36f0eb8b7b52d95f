#!/usr/bin/env python3
"""What sensing costs: the same load with every sensor at its default and with none, in turn, beside a pretend engine.

    cargo build --release && benches/sensing.py [--streams 1000] [--seconds 20] [--rounds 4]

It prints, a round: CPU seconds of the whole client a million output tokens, with and without, their ratio, and both
TTFT p99; in the end the geometric mean of the ratios with its standard error. Give it a machine at rest; `--server-cores`
and `--client-cores` (as taskset takes them) keep the two apart."""
import argparse, glob, json, math, os, re, resource, statistics, subprocess, tempfile

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


def play(url, seed, extra):
    """CPU seconds a million tokens, and TTFT p99, ms."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = ["--concurrency", str(asked.streams), "--duration", f"{asked.seconds}s", "--max-tokens", "128"]
        command = [asked.harness, "bench", "--url", url, "--backend", "vllm", "--ignore-eos", "--quiet", "--output", folder]
        subprocess.run(pinned(asked.client_cores, command + load + ["--seed", str(seed)] + extra), check=True,
                       stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        (path,) = [path for path in glob.glob(os.path.join(folder, "vllm_*.json"))]
        summary = json.load(open(path))["summary"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / summary["tokens"]["output"] * 1e6, summary["metrics"]["ttft_ms"]["p99"]


server = subprocess.Popen(pinned(asked.server_cores, [asked.harness, "simulate", "--engine", "vllm", "--port", "0"]),
                          stdout=subprocess.PIPE, text=True)
try:
    url = re.search(r"http://\S+", server.stdout.readline()).group()
    ratios = []
    for number in range(1, asked.rounds + 1):
        order = [[], OFF] if number % 2 else [OFF, []]
        told = {bool(extra): play(url, number, extra) for extra in order}
        (on, on_p99), (off, off_p99) = told[False], told[True]
        ratios.append(on / off)
        print(f"round {number}: {on:.3f} s with, {off:.3f} s without, ratio {on / off:.3f}; "
              f"TTFT p99 {on_p99:.2f} and {off_p99:.2f} ms", flush=True)
    logs = [math.log(ratio) for ratio in ratios]
    error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else float("nan")
    print(f"ratio {math.exp(statistics.mean(logs)):.3f} ± {error:.3f} (standard error) over {len(ratios)} rounds")
finally:
    server.terminate()
    server.wait()
