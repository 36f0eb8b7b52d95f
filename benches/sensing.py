#!/usr/bin/env python3
"""What sensing costs: the same load with every sensor at its default and with none, in turn, beside a pretend engine.

    cargo build --release && benches/sensing.py [--streams 1000] [--seconds 25] [--rounds 4]

It prints, a round: CPU of all threads of the client, with and without, in cores, their ratio, both TTFT p99, and the CPU of
the threads that sense alone; in the end the geometric mean of the ratios with its standard error, and what sensing takes of a
core by both ways. CPU is the scheduler's account of each thread from some seconds after the start to the end of the load:
start-up, files and charts are left out. The difference of two runs holds all effects, and scatters as two runs do; what the
threads that sense take is the same from run to run. Give it a machine at rest; `--server-cores` and `--client-cores` (as
taskset takes them) keep the two apart."""
import argparse, glob, json, math, os, re, statistics, subprocess, tempfile, time

flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
flags.add_argument("--harness", default="target/release/harness")
flags.add_argument("--streams", type=int, default=1000)
flags.add_argument("--seconds", type=int, default=25)
flags.add_argument("--rounds", type=int, default=4)
flags.add_argument("--server-cores")
flags.add_argument("--client-cores")
asked = flags.parse_args()
OFF = ["--gpu-interval", "0", "--host-interval", "0", "--scrape-interval", "0"]
SENSING_THREADS = {"sampler", "gpus", "gpu-pcie"}
"""Names of the threads that do nothing but sense (src/monitor)."""
SETTLED_S = 4
"""So long after its start a client has opened its sensors and its connections, and its warm-up is over, s."""


def pinned(cores, command):
    return (["taskset", "-c", cores] if cores else []) + command


def play(url, seed, extra):
    """CPU of all threads, and of those that sense, in cores; TTFT p99, ms."""
    with tempfile.TemporaryDirectory() as folder:
        load = ["--concurrency", str(asked.streams), "--duration", f"{asked.seconds}s", "--max-tokens", "128"]
        command = [asked.harness, "bench", "--url", url, "--backend", "vllm", "--ignore-eos", "--quiet", "--output", folder]
        client = subprocess.Popen(pinned(asked.client_cores, command + load + ["--seed", str(seed)] + extra),
                                  stdout=subprocess.DEVNULL)
        time.sleep(SETTLED_S)
        before, since = ran(client.pid), time.monotonic()
        time.sleep(asked.seconds - SETTLED_S)
        after, until = ran(client.pid), time.monotonic()
        if client.wait():
            raise SystemExit(f"the client ended with {client.returncode}")
        (path,) = glob.glob(os.path.join(folder, "vllm_*.json"))
        p99 = json.load(open(path))["summary"]["metrics"]["ttft_ms"]["p99"]
    # A thread that is new in between began at 0.
    cores = {task: (ns - before.get(task, 0)) / 1e9 / (until - since) for task, ns in after.items()}
    return sum(cores.values()), sum(used for (_, name), used in cores.items() if name in SENSING_THREADS), p99


def ran(pid):
    """CPU time of each thread of a process so far, by its id and name, ns."""
    used = {}
    for task in glob.glob(f"/proc/{pid}/task/*"):
        try:
            used[task, open(task + "/comm").read().strip()] = int(open(task + "/schedstat").read().split()[0])
        except (OSError, IndexError):
            continue  # It ended meanwhile.
    return used


server = subprocess.Popen(pinned(asked.server_cores, [asked.harness, "simulate", "--engine", "vllm", "--port", "0"]),
                          stdout=subprocess.PIPE, text=True)
try:
    url = re.search(r"http://\S+", server.stdout.readline()).group()
    rounds = []
    for number in range(1, asked.rounds + 1):
        order = [[], OFF] if number % 2 else [OFF, []]
        told = {bool(extra): play(url, number, extra) for extra in order}
        (on, sensing, on_p99), (off, _, off_p99) = told[False], told[True]
        rounds.append((on, off, sensing))
        print(f"round {number}: {on:.4f} cores with, {off:.4f} without, ratio {on / off:.3f}; "
              f"TTFT p99 {on_p99:.2f} and {off_p99:.2f} ms; the threads that sense {100 * sensing:.3f} % of a core", flush=True)
    logs = [math.log(on / off) for on, off, _ in rounds]
    error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else float("nan")
    more, alone, own = (statistics.mean(values) for values in zip(*((on - off, off, sensing) for on, off, sensing in rounds)))
    print(f"ratio {math.exp(statistics.mean(logs)):.3f} ± {error:.3f} (standard error) over {len(rounds)} rounds, "
          f"{100 * more:.2f} % of a core; by the threads that sense {100 * own:.3f} %, ratio {1 + own / alone:.4f}")
finally:
    server.terminate()
    server.wait()
