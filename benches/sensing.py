#!/usr/bin/env python3
"""What sensing costs: the same load with every sensor at its default, with some of them and with none, beside a pretend engine.

    cargo build --release && benches/sensing.py [--arms all,off] [--streams 1000] [--seconds 25] [--rounds 4]

An arm is a set of sensors: `all`, `gpu`, `host`, `scrape`, sets joined by `+`, or `off`, which all others are held against.
Arms are played one after the other, each round in another order; with `--at-once` all arms of a round are played side by
side, each with its own engine on its own cores (`--server-cores` and `--client-cores`: one list an arm, split by `/`), and
change cores from round to round: what else the machine does then meets all of them alike.

It prints, a round and arm: CPU of all threads of the client, in cores, TTFT p99, and the CPU of the threads that sense alone;
in the end an arm's ratio to `off`, the geometric mean with its standard error, and CPU by the names of threads. CPU is the
scheduler's account of each thread from some seconds after the start to the end of the load: start-up, files and charts are
left out. The ratio holds all effects, and scatters as two runs do; what the threads that sense take is the same from run to
run. Give it a machine at rest."""
import argparse, collections, concurrent.futures, glob, json, math, os, re, signal, statistics, subprocess, tempfile, time

flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
flags.add_argument("--harness", default="target/release/harness")
flags.add_argument("--arms", default="all,off")
flags.add_argument("--at-once", action="store_true")
flags.add_argument("--streams", type=int, default=1000)
flags.add_argument("--seconds", type=int, default=25)
flags.add_argument("--rounds", type=int, default=4)
flags.add_argument("--jitter", default="0", help="of the engine's times, as `harness simulate` takes it")
flags.add_argument("--server-cores", default="")
flags.add_argument("--client-cores", default="")
asked = flags.parse_args()
ENGINE = [asked.harness, "simulate", "--engine", "vllm", "--port", "0", "--jitter", asked.jitter]
INTERVALS = {"gpu": "--gpu-interval", "host": "--host-interval", "scrape": "--scrape-interval"}
SENSING_THREADS = {"sampler", "gpus", "gpu-pcie"}
"""Names of the threads that do nothing but sense (src/monitor)."""
SETTLED_S = 4
"""So long after its start a client has opened its sensors and its connections, and its warm-up is over, s."""

Told = collections.namedtuple("Told", "cores sensing p99 threads")
"""CPU of all threads and of those that sense, in cores; TTFT p99, ms; CPU by a thread's name, in cores."""


def without(arm):
    """The flags that turn off what is not in an arm."""
    wanted = {"all": set(INTERVALS), "off": set()}.get(arm, set(arm.split("+")))
    if wanted - set(INTERVALS):
        raise SystemExit(f"no arm {arm!r}: join {', '.join(INTERVALS)} by +, or give all or off")
    return [word for name, flag in INTERVALS.items() if name not in wanted for word in (flag, "0")]


def pinned(cores, command):
    return (["taskset", "-c", cores] if cores else []) + command


def play(url, cores, seed, extra):
    with tempfile.TemporaryDirectory() as folder:
        load = ["--concurrency", str(asked.streams), "--duration", f"{asked.seconds}s", "--max-tokens", "128"]
        command = [asked.harness, "bench", "--url", url, "--backend", "vllm", "--ignore-eos", "--quiet", "--output", folder]
        client = subprocess.Popen(pinned(cores, command + load + ["--seed", str(seed)] + extra), stdout=subprocess.DEVNULL)
        started.append(client)
        goes_on_for(client, SETTLED_S)
        before, since = ran(client.pid), time.monotonic()
        goes_on_for(client, asked.seconds - SETTLED_S)
        after, until = ran(client.pid), time.monotonic()
        if client.wait():
            raise SystemExit(f"the client ended with {client.returncode}")
        (path,) = glob.glob(os.path.join(folder, "vllm_*.json"))
        p99 = json.load(open(path))["summary"]["metrics"]["ttft_ms"]["p99"]
    threads = collections.Counter()
    for (task, name), ns in after.items():
        # A thread that is new in between began at 0.
        threads[name] += (ns - before.get((task, name), 0)) / 1e9 / (until - since)
    return Told(sum(threads.values()), sum(threads[name] for name in SENSING_THREADS), p99, threads)


def goes_on_for(client, seconds):
    """Waits so long; a client that ends meanwhile played no whole load."""
    try:
        raise SystemExit(f"the client ended before its load was over, with {client.wait(seconds)}")
    except subprocess.TimeoutExpired:
        pass


def ran(pid):
    """CPU time of each thread of a process so far, by its id and name, ns."""
    used = {}
    for task in glob.glob(f"/proc/{pid}/task/*"):
        try:
            used[task, open(task + "/comm").read().strip()] = int(open(task + "/schedstat").read().split()[0])
        except (OSError, IndexError):
            continue  # It ended meanwhile.
    return used


def engine(cores):
    """Starts a pretend engine on its cores: its address."""
    server = subprocess.Popen(pinned(cores, ENGINE), stdout=subprocess.PIPE, text=True)
    started.append(server)
    said = server.stdout.readline()
    address = re.search(r"http://\S+", said)
    if not address:
        raise SystemExit(f"the pretend engine gave no address: {said!r}")
    return address.group()


def one_round(number, urls):
    """What each arm took."""
    if asked.at_once:
        # In as many rounds as there are arms each arm meets each place once.
        places = {arm: (index + number) % len(ARMS) for index, arm in enumerate(ARMS)}
        with concurrent.futures.ThreadPoolExecutor(len(ARMS)) as pool:
            played = {arm: pool.submit(play, urls[place], CLIENT_CORES[place], number, FLAGS[arm])
                      for arm, place in places.items()}
            return {arm: told.result() for arm, told in played.items()}
    first = number % len(ARMS)
    return {arm: play(urls[0], CLIENT_CORES[0], number, FLAGS[arm]) for arm in ARMS[first:] + ARMS[:first]}


ARMS = asked.arms.split(",")
if "off" not in ARMS:
    raise SystemExit("--arms needs off, which the others are held against")
FLAGS = {arm: without(arm) for arm in ARMS}
SIDES = len(ARMS) if asked.at_once else 1
SERVER_CORES, CLIENT_CORES = (given.split("/") for given in (asked.server_cores, asked.client_cores))
if not len(SERVER_CORES) == len(CLIENT_CORES) == SIDES:
    raise SystemExit(f"--server-cores and --client-cores: {SIDES} of each, split by /")
started = []
"""Every process that was started, to be ended with this one."""
signal.signal(signal.SIGTERM, lambda *_: end())


def end():
    for process in started:
        process.terminate()
    raise SystemExit("ended by a signal")


try:
    urls = [engine(cores) for cores in SERVER_CORES]
    rounds = []
    for number in range(asked.rounds):
        rounds.append(one_round(number, urls))
        for arm in ARMS:
            told = rounds[-1][arm]
            print(f"round {number + 1}  {arm:<12} {told.cores:.4f} cores, {told.cores / rounds[-1]['off'].cores:.3f} of off; TTFT p99 "
                  f"{told.p99:.2f} ms; threads that sense {100 * told.sensing:.3f} % of a core", flush=True)
    mean = lambda arm, of: statistics.mean(of(told[arm]) for told in rounds)
    for arm in ARMS:
        logs = [math.log(told[arm].cores / told["off"].cores) for told in rounds]
        error = statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else float("nan")
        p99s = [told[arm].p99 - told["off"].p99 for told in rounds]
        p99_error = statistics.stdev(p99s) / math.sqrt(len(p99s)) if len(p99s) > 1 else float("nan")
        sensing = mean(arm, lambda told: told.sensing)
        print(f"{arm:<12} ratio {math.exp(statistics.mean(logs)):.4f} ± {error:.4f} (standard error) over {len(rounds)} rounds; "
              f"by the threads that sense {1 + sensing / mean('off', lambda told: told.cores):.4f}, {100 * sensing:.3f} % of a "
              f"core; TTFT p99 {statistics.mean(p99s):+.3f} ± {p99_error:.3f} ms")
    names = sorted({name for told in rounds for arm in ARMS for name in told[arm].threads})
    print("\nCPU by the names of threads, % of a core\n" + " " * 18 + "".join(f"{arm:>12}" for arm in ARMS))
    for name in names:
        shares = [100 * mean(arm, lambda told: told.threads[name]) for arm in ARMS]
        if max(shares) >= 0.005:
            print(f"{name:<18}" + "".join(f"{share:12.3f}" for share in shares))
finally:
    for process in started:
        process.terminate()
        process.wait()
