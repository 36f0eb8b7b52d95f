#!/usr/bin/env python3
"""Many streams at once: how exact the client is, and what it costs, beside pretend engines that know the truth.

    cargo build --release && benches/streams.py --streams 10000 --server-cores 0-7 --client-cores 8-15

Eight pretend engines share one port, one a core; the client plays requests of 128 tokens at 50 tok/s a stream, with
default flags and with each of --threads. Another build (--other), and vLLM's own client (--vllm-rs, the program
`vllm-rs` inside PyPI's wheel of vllm 0.33, with --tokenizer), are played in the same sitting. A line a run: TTFT's mean
and p99 less those of the engines' own book, ms; merged events; CPU of the whole client, s, and a served token, µs."""
import argparse, glob, http.client, json, os, re, resource, signal, statistics, subprocess, sys, tempfile, time

flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
flags.add_argument("--harness", default="target/release/harness")
flags.add_argument("--streams", type=int, default=10_000)
flags.add_argument("--requests", type=int, help="default: three a stream")
flags.add_argument("--threads", default="", help="client threads to try beside the default, separated by commas")
flags.add_argument("--engines", type=int, default=8)
flags.add_argument("--server-cores", help="as taskset takes them; the engines are put there one after another")
flags.add_argument("--client-cores")
flags.add_argument("--other", help="another build of harness")
flags.add_argument("--vllm-rs")
flags.add_argument("--tokenizer")
asked = flags.parse_args()
# The engines end with this program however it is ended, and a client without its engines ends by itself.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
requests, TOKENS = asked.requests or 3 * asked.streams, 128
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cores_of(text):
    parts = [part.split("-") for part in text.split(",")]
    return [core for part in parts for core in range(int(part[0]), int(part[-1]) + 1)]


def pinned(cores, command):
    return (["taskset", "-c", cores] if cores else []) + command


class Engines:
    """Pretend engines behind one port."""

    def __enter__(self):
        cores = cores_of(asked.server_cores) if asked.server_cores else [None]
        self.port, self.processes = 0, []
        try:
            self.start(cores)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, cores):
        for number in range(asked.engines):
            core = cores[number % len(cores)]
            command = [asked.harness, "simulate", "--model", "referee", "--ttft", "50ms", "--itl", "20ms", "--output-tokens",
                       str(TOKENS), "--share-port", "--port", str(self.port), "--truth-limit", str(TOKENS * requests)]
            process = subprocess.Popen(pinned(None if core is None else str(core), command), stdout=subprocess.PIPE, text=True)
            self.processes.append(process)
            self.port = int(re.search(r":(\d+)", process.stdout.readline().split("http://")[1]).group(1))

    def truth(self):
        """TTFTs by the engines' own book, ms, in order of arrival; tokens that were served. A connection leads to
        whichever engine the kernel chooses: it is asked until all have told."""
        told, found, tokens = set(), [], 0
        for _ in range(100 * asked.engines):
            if len(told) == asked.engines:
                break
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            connection.request("GET", "/truth/summary")
            summary = connection.getresponse().read()
            if summary not in told:
                told.add(summary)
                tokens += json.loads(summary)["tokens"]
                connection.request("GET", "/truth")
                for line in connection.getresponse().read().split(b"\n"):
                    arrival = re.search(rb'"arrival_mono_ns":(\d+)', line)
                    write = re.search(rb'"writes":\[\[\d+,(\d+)', line)
                    if arrival and write:
                        found.append((int(arrival.group(1)), (int(write.group(1)) - int(arrival.group(1))) / 1e6))
            connection.close()
        if len(told) < asked.engines or len(found) < requests:
            raise SystemExit(f"{len(told)} of {asked.engines} engines told of {len(found)} requests, and {requests} were asked")
        return [ttft for _, ttft in sorted(found)][-requests:], tokens

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()


def p99(values):
    return sorted(values)[int(0.99 * (len(values) - 1))]


def harness(program, threads):
    def command(url, folder):
        dataset = os.path.join(folder, "hello.json")
        with open(dataset, "w") as file:
            json.dump([{"id": "hello", "category": "chat", "prompt": "hello", "max_tokens": TOKENS}], file)
        return [program, "bench", "--url", url, "--backend", "vllm", "--endpoint", "completions", "--dataset", dataset,
                "--concurrency", str(asked.streams), "--requests", str(requests), "--ignore-eos", "--quiet",
                "--output", os.path.join(folder, "results"), *(["--client-threads", threads] if threads else [])]

    def figures(folder):
        (path,) = glob.glob(os.path.join(folder, "results", "*_[0-9]*.json"))
        with open(path) as file:
            summary = json.load(file)["summary"]
        client, ttft = summary["client"], summary["metrics"]["ttft_ms"]
        extra = f"{client['threads']} threads, merged {100 * client['merged_events']:.2f} %"
        limited = client.get("client_limited")
        return ttft["mean"], ttft["p99"], extra + (f", LIMITED: {limited}" if limited else "")

    return command, figures


def vllm():
    def command(url, folder):
        return [asked.vllm_rs, "bench", "serve", "--backend", "vllm", "--base-url", url, "--model", "referee", "--tokenizer",
                asked.tokenizer, "--dataset-name", "random", "--random-input-len", "16", "--random-output-len", str(TOKENS),
                "--num-prompts", str(requests), "--max-concurrency", str(asked.streams), "--ignore-eos", "--disable-tqdm",
                "--save-result", "--result-dir", folder, "--result-filename", "result.json"]

    def figures(folder):
        with open(os.path.join(folder, "result.json")) as file:
            result = json.load(file)
        return result["mean_ttft_ms"], result["p99_ttft_ms"], "no warm-up"

    return command, figures


def play(name, command, figures):
    with Engines() as engines, tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        line = pinned(asked.client_cores, command(f"http://127.0.0.1:{engines.port}", folder))
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{name} ended with {process.returncode}: {said[-800:]}")
        wall_s = time.monotonic() - started
        own, tokens = engines.truth()
        mean, last, extra = figures(folder)
    cpu_s = usage.ru_utime + usage.ru_stime
    print(f"{name}: TTFT {mean - statistics.mean(own):+.3f} mean, {last - p99(own):+.3f} p99 ms; CPU {cpu_s:.1f} s, "
          f"{1e6 * cpu_s / tokens:.2f} µs a token; {wall_s:.1f} s; {extra}", flush=True)


if asked.vllm_rs:
    play("vLLM's client", *vllm())
if asked.other:
    play("the other build", *harness(asked.other, ""))
for threads in ["", *filter(None, asked.threads.split(","))]:
    play(f"harness, {threads or 'default'} threads", *harness(asked.harness, threads))
