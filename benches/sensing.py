#!/usr/bin/env python3
"""What sensing costs: the same load with every sensor at its default and with none, in turn, beside a pretend engine.

    cargo build --release && benches/sensing.py [--streams 1000] [--seconds 20] [--rounds 4]

It prints, a round: CPU seconds of the whole client a second of load, with and without, their ratio, and both TTFT p99; in
the end the geometric mean of the ratios with its standard error, and what sensing takes of a core. They are the difference
between a run of 5 s and one that is longer by --seconds: start-up, files and charts are left out. Give it a machine at rest;
`--server-cores` and `--client-cores` (as taskset takes them) keep the two apart."""
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


SHORT_S = 5


def play(url, seed, extra):
    """CPU seconds a second of load, and TTFT p99 of the longer run, ms."""
    (short, _), (long, p99) = (played(url, seed, extra, seconds) for seconds in (SHORT_S, SHORT_S + asked.seconds))
    return (long - short) / asked.seconds, p99


def played(url, seed, extra, seconds):
    """CPU seconds of the whole client, and TTFT p99, ms."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = ["--concurrency", str(asked.streams), "--duration", f"{seconds}s", "--max-tokens", "128"]
        command = [asked.harness, "bench", "--url", url, "--backend", "vllm", "--ignore-eos", "--quiet", "--output", folder]
        subprocess.run(pinned(asked.client_cores, command + load + ["--seed", str(seed)] + extra), check=True,
                       stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        (path,) = [path for path in glob.glob(os.path.join(folder, "vllm_*.json"))]
        summary = json.load(open(path))["summary"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, summary["metrics"]["ttft_ms"]["p99"]


server = subprocess.Popen(pinned(asked.server_cores, [asked.harness, "simulate", "--engine", "vllm", "--port", "0"]),
                          stdout=subprocess.PIPE, text=True)
try:
    url = re.search(r"http://\S+", server.stdout.readline()).group()
    ratios, extra_cores = [], []
    for number in range(1, asked.rounds + 1):
        order = [[], OFF] if number % 2 else [OFF, []]
        told = {bool(extra): play(url, number, extra) for extra in order}
        (on, on_p99), (off, off_p99) = told[False], told[True]
        ratios.append(on / off)
        extra_cores.append(on - off)
        print(f"round {number}: {on:.4f} cores with, {off:.4f} without, ratio {on / off:.3f}; "
              f"TTFT p99 {on_p99:.2f} and {off_p99:.2f} ms", flush=True)
    logs = [math.log(ratio) for ratio in ratios]
    error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else float("nan")
    print(f"ratio {math.exp(statistics.mean(logs)):.3f} ± {error:.3f} (standard error) over {len(ratios)} rounds, "
          f"{100 * statistics.mean(extra_cores):.2f} % of a core")
finally:
    server.terminate()
    server.wait()
