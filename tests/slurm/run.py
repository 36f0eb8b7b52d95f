#!/usr/bin/env python3
"""Load from four nodes of a real Slurm on this machine, each task with a clock of its own, against a referee.

  tests/slurm/run.py [TEST …]     HARNESS=target/release/harness; by default the debug one

Needs root, Debian's slurm-wlm and munge, zstd, and a kernel with time namespaces; says SKIPPED where one is missing. The last
line counts: `N passed, N failed`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import cluster  # noqa: E402
from reading import Records, clock_errors, dispersion, percentile, timings  # noqa: E402

HARNESS = Path(os.environ.get("HARNESS", ROOT / "target/debug/harness")).resolve()
# How far the tasks' clocks are ahead of the machine's, s: days apart.
AHEAD_S = [0, 34 * 3600, 69 * 3600, 103 * 3600]
RATE = 1000
REQUESTS = 12_000
# Wide enough for a machine on which everything runs on the same two cores.
ENDS_WITHIN_S = 40
# Who comes after worker 0 has refused another waits so long for it.
JOIN_SOON = ("--join-timeout", "10s")


class Place:
    """A folder with questions in it, a referee, and how tasks are started."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="harness-slurm-test-"))
        self.questions = self.write_questions("questions.jsonl", REQUESTS)
        self.referee = subprocess.Popen(
            [sys.executable, HERE / "referee.py"], stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{self.referee.stdout.readline().split()[-1]}"

    def close(self):
        self.referee.kill()
        self.referee.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_questions(self, name, count, words="question"):
        path = self.folder / name
        lines = (
            json.dumps({"id": f"q{number}", "category": "q", "prompt": f"{words} {number}", "max_tokens": 4})
            for number in range(count)
        )
        path.write_text("\n".join(lines) + "\n")
        return path

    def ask(self, path, method="GET"):
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def results(self, name):
        return self.folder / name


class Step:
    """`srun` of four tasks; the pid of each is known."""

    def __init__(self, place, name, flags, harness_of=None, questions_of=None, srun=("--kill-on-bad-exit=0",), command="bench", resume=None):
        self.place, self.name = place, name
        self.pids_folder = place.folder / f"{name}.pids"
        self.pids_folder.mkdir()
        self.out, self.err = place.folder / f"{name}.out", place.folder / f"{name}.err"
        place.ask("/referee/reset", "POST")
        environment = {
            **os.environ,
            "TASK_PIDS": str(self.pids_folder),
            "TASK_AHEAD": " ".join(map(str, AHEAD_S)),
            "TASK_HARNESS": " ".join(str((harness_of or {}).get(worker, HARNESS)) for worker in range(4)),
            "TASK_QUESTIONS": " ".join(
                str((questions_of or {}).get(worker, place.questions)) for worker in range(4)
            ),
        }
        plan = [
            "--url", place.url, "--model", "referee", "--warmup", "0", "--seed", "13", "--quiet",
            "--output", str(place.results(name)), *flags,
        ]
        command = [
            "srun", "-N4", "-n4", *srun, "--output", f"{self.out}.%t", "--error", f"{self.err}.%t",
            "bash", str(HERE / "task.sh"), command, "--workers", "auto", *(["--resume", str(resume)] if resume else plan),
        ]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def until_arrivals(self, count):
        """Waits until the referee has seen so many requests."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while len(self.place.ask("/referee")["arrivals"]) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"the load did not begin\n{self.said()}")
            time.sleep(0.05)

    def pid(self, worker):
        return int((self.pids_folder / str(worker)).read_text())

    def end(self):
        """srun's exit code; nothing of the step is left."""
        try:
            code = self.process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            raise AssertionError(f"the step did not end\n{self.said()}") from None
        for path in self.pids_folder.iterdir():
            deadline = time.monotonic() + 10
            while is_alive(int(path.read_text())):
                assert time.monotonic() < deadline, f"task {path.name} is left\n{self.said()}"
                time.sleep(0.05)
        return code

    def said(self):
        parts = []
        for worker in range(4):
            for path in (self.out, self.err):
                path = Path(f"{path}.{worker}")
                parts.append(f"-- {path.name}\n{path.read_text()[-3000:] if path.exists() else ''}")
        return "\n".join(parts)

    def told(self, worker):
        return "".join(
            path.read_text() for path in (Path(f"{self.out}.{worker}"), Path(f"{self.err}.{worker}")) if path.exists()
        )


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def summary(folder):
    """The one run's JSON in a results directory."""
    (path,) = [path for path in folder.glob("*.json") if "records" not in path.name]
    return json.loads(path.read_text())["summary"]


def verdicts(run, word):
    """The caveats in which a word stands, as text; shown too."""
    told = [text for text in map(json.dumps, run["caveats"]) if word in text]
    for text in told:
        print(f"    {text[:200]}")
    return told


def open_loop(rate, requests):
    return ["--rate", str(rate), "--requests", str(requests), "--arrival", "poisson"]


def four_workers_play_the_schedule_of_one_machine(place):
    flags = open_loop(RATE, REQUESTS)
    step = Step(place, "four", ["--dataset", str(place.questions), *flags])
    code = step.end()
    assert code == 0, f"{code}\n{step.said()}"
    told = place.ask("/referee")
    numbers = sorted(number for number, _ in told["arrivals"])
    assert numbers == list(range(REQUESTS)), f"lost or doubled: {len(numbers)} arrivals of {len(set(numbers))} requests"

    merged, parts = Records.of(place.results("four"))
    assert sorted(merged.by_index) == list(range(REQUESTS)), len(merged.by_index)
    assert len(parts) == 4 and sum(len(part.by_index) for part in parts) == REQUESTS
    for worker, part in enumerate(parts):
        assert all(index % 4 == worker for index in part.by_index), f"worker {worker} played another's share"

    alone = place.results("one")
    place.ask("/referee/reset", "POST")
    subprocess.run(
        [HARNESS, "bench", "--url", place.url, "--model", "referee", "--warmup", "0", "--seed", "13", "--quiet",
         "--output", alone, "--dataset", place.questions, *flags],
        check=True, capture_output=True, timeout=120,
    )
    single, _ = Records.of(alone)
    clocks = clock_errors(parts, AHEAD_S)
    assert_same_schedule(merged.schedule(), single.schedule(), max(bound_us for _, bound_us in clocks))

    for worker, (error_us, bound_us) in enumerate(clocks):
        print(f"    worker {worker}: clock off by {error_us:.1f} µs, said to be within {bound_us:.1f} µs")
        assert abs(error_us) <= bound_us or worker == 0

    late = timings(merged, parts, told, AHEAD_S)
    print(f"    arrivals after due, ms: p50 {percentile(late, 50):.3f}, p99 {percentile(late, 99):.3f}, max {max(late):.1f}")
    spread = [percentile([late_ms for index, late_ms in late.by_index if index % 4 == worker], 1) for worker in range(4)]
    print(f"    earliest of each worker, ms: {', '.join(f'{ms:.3f}' for ms in spread)}")
    assert percentile(late, 50) <= 1 and percentile(late, 99) <= 5
    played = dispersion([stamp for _, stamp in told["arrivals"]])
    planned = dispersion([int(due * 1000) for _, due in merged.schedule()])
    print(f"    dispersion: {played:.3f} of the arrivals, {planned:.3f} of the schedule")
    assert abs(played - 1) <= 0.03


def assert_same_schedule(played, planned, bound_us):
    """Prompt by prompt, and due at the same times, which the clock maps brought onto one clock: so exact, and whole µs."""
    assert [prompt for prompt, _ in played] == [prompt for prompt, _ in planned]
    off_us = max(abs(due_us - planned_us) for (_, due_us), (_, planned_us) in zip(played, planned))
    print(f"    due times differ from those of one machine by {off_us} µs at most")
    assert off_us <= 2 + 2 * bound_us


def long_load(place, name, duration="30s", more_flags=(), **more):
    flags = ["--dataset", str(place.questions), "--rate", "200", "--duration", duration, *more_flags]
    return Step(place, name, flags, **more)


def a_worker_that_is_killed_makes_the_run_invalid_by_name(place):
    step = long_load(place, "killed")
    step.until_arrivals(400)
    os.kill(step.pid(2), signal.SIGKILL)
    code = step.end()
    assert code != 0
    run = summary(place.results("killed"))
    (lost,) = verdicts(run, "lost")
    assert "worker 2 of 4" in lost, lost
    assert run["partial"], run["partial"]
    merged, parts = Records.of(place.results("killed"))
    assert [part.worker for part in parts if part.is_closed and part.worker != 2] == [0, 1, 3]
    # All that the survivors wrote is in the one run.
    assert merged.is_closed
    assert all(index in merged.by_index for part in parts if part.worker != 2 for index in part.by_index)


def the_death_of_worker_0_ends_the_others_with_their_parts_whole(place):
    step = long_load(place, "headless")
    step.until_arrivals(400)
    begun = time.monotonic()
    os.kill(step.pid(0), signal.SIGKILL)
    code = step.end()
    assert code != 0 and time.monotonic() - begun < 15
    _, parts = Records.of(place.results("headless"))
    assert [part.worker for part in parts if part.is_closed and part.worker != 0] == [1, 2, 3]
    assert all(len(part.by_index) > 50 for part in parts if part.worker != 0)
    for worker in (1, 2, 3):
        assert "worker 0 was lost" in step.told(worker), step.said()


def scancel_ends_all_and_what_was_measured_is_saved(place):
    step = long_load(place, "cancelled")
    step.until_arrivals(400)
    jobs = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True, check=True).stdout.split()
    begun = time.monotonic()
    subprocess.run(["scancel", *jobs], check=True)
    code = step.end()
    # Before KillWait: they ended by themselves.
    assert code != 0 and time.monotonic() - begun < cluster.KILL_WAIT_S
    run = summary(place.results("cancelled"))
    assert run["partial"] == "interrupted", run["partial"]
    assert run["requests"]["completed"] >= 300, run["requests"]
    _, parts = Records.of(place.results("cancelled"))
    assert [part.worker for part in parts if part.is_closed] == [0, 1, 2, 3]


def a_sweep_that_was_stopped_is_resumed_by_all(place):
    # The step is one like the others, but for its command.
    sweep = ["--rate", "150,200", "--dataset", str(place.questions), "--duration"]
    step = Step(place, "swept", [*sweep, "2s"], command="sweep")
    folder = place.results("swept")
    until(lambda: list(folder.glob("*_p1_*_records.jsonl.zst")), step)
    step.until_arrivals(400)
    os.kill(step.pid(3), signal.SIGTERM)
    assert step.end() != 0
    closed = {path.name for path in folder.glob("*_p1_*.json")}
    (plan,) = folder.glob("sweep_*")
    step = Step(place, "resumed", [], command="sweep", resume=plan)
    assert step.end() == 0, step.said()
    assert "1 left of 2 runs" in step.told(0), step.said()
    runs = {path.name: json.loads(path.read_text())["summary"] for path in folder.glob("*.json")}
    assert len(runs) == 2 and closed < set(runs), (closed, set(runs))
    assert all("partial" not in run and len(run["workers"]) == 4 for run in runs.values()), runs
    assert list(plan.glob("cut_short/*_records.w03.*")), "what was cut short is set aside whole"


def until(what, step):
    deadline = time.monotonic() + ENDS_WITHIN_S
    while not what():
        assert time.monotonic() < deadline and step.process.poll() is None, step.said()
        time.sleep(0.05)


def a_worker_that_stands_still_for_five_seconds_is_seen(place):
    step = long_load(place, "stopped", duration="10s")
    step.until_arrivals(400)
    os.kill(step.pid(1), signal.SIGSTOP)
    time.sleep(5)
    os.kill(step.pid(1), signal.SIGCONT)
    step.end()
    run = summary(place.results("stopped"))
    (still,) = [caveat for caveat in run["caveats"] if caveat["code"] == "worker_still"]
    print(f"    {still}")
    assert still["worker"] == 1 and 3.5 <= still["seconds"] <= 7, still
    assert verdicts(run, "worker 1 ("), run["caveats"]
    stood = run["workers"][1]
    assert stood["send_delay_p99_ms"] > 1000, stood


def worker_0_holds_its_results_and_the_others_end(place):
    step = Step(place, "held", ["--dataset", str(place.questions), *open_loop(200, 200), "--hold", "10m"])
    deadline = time.monotonic() + ENDS_WITHIN_S
    while len(list(step.pids_folder.glob("[0-3]"))) < 4 or any(is_alive(step.pid(worker)) for worker in (1, 2, 3)):
        assert time.monotonic() < deadline and step.process.poll() is None, step.said()
        time.sleep(0.1)
    assert summary(place.results("held"))["requests"]["completed"] == 200
    assert is_alive(step.pid(0)), step.said()
    os.kill(step.pid(0), signal.SIGTERM)
    assert step.end() == 0, step.said()


def another_program_is_refused_by_name(place):
    other = place.folder / "other-harness"
    shutil.copy(HARNESS, other)
    with other.open("ab") as file:
        file.write(b"another build")
    assert_refused(place, long_load(place, "binary", more_flags=JOIN_SOON, harness_of={2: other}), "worker 2")


def another_dataset_is_refused_by_name(place):
    other = place.write_questions("others.jsonl", REQUESTS, words="riddle question")
    assert_refused(place, long_load(place, "dataset", more_flags=JOIN_SOON, questions_of={3: other}), "worker 3")


def assert_refused(place, step, who):
    code = step.end()
    assert code != 0
    assert who in step.told(0), step.said()
    assert place.ask("/referee")["arrivals"] == [], "requests were sent"


def the_scripts_of_deploy_slurm_play(place):
    environment = {**os.environ, "HARNESS": str(HARNESS), "URL": place.url, "RATE": "100", "DURATION": "2s"}
    run_batch(place, "batch", "bench.sbatch", environment)
    assert summary(place.folder / "batch/results")["requests"]["completed"] > 100
    run_batch(place, "array", "array.sbatch", environment)
    run = summary(place.folder / "array/results")
    assert run["requests"]["completed"] > 100 and len(run["workers"]) == 4, run
    # The file by which they met is gone.
    assert not list((place.folder / "array/results").glob(".join*"))
    (port,) = cluster.free_ports(1)
    environment |= {"PORT": str(port), "SERVER": f"{HARNESS} simulate --port {port} --ttft 5ms --itl 1ms"}
    run_batch(place, "hetjob", "server.sbatch", environment)
    assert summary(place.folder / "hetjob/results")["requests"]["completed"] > 100


def run_batch(place, name, script, environment):
    """A job of a script as it lies there; only what it asks of nodes is made to fit into four of this machine."""
    folder = place.folder / name
    folder.mkdir()
    text = (ROOT / "deploy/slurm" / script).read_text()
    if script == "server.sbatch":
        # A node for the server, and three for the load, of four.
        text = text.replace("--nodes=4", "--nodes=3").replace("--ntasks=4", "--ntasks=3")
    text = text.replace("--cpus-per-task=4", "--cpus-per-task=1")
    (folder / script).write_text(text)
    command = ["sbatch", "--parsable", "--export=ALL", script]
    job = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    deadline = time.monotonic() + 60
    # `sbatch --wait` looks every ten seconds.
    while (state := states(job)) - {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-3000:] for path in folder.glob("*.log"))
    assert state == {"COMPLETED"}, f"{state}\n{logs}"


def states(job):
    """In which states the parts of a job are, as scontrol, which forgets a job only after minutes, tells them."""
    told = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"JobState=(\w+)", told))


TESTS = [
    four_workers_play_the_schedule_of_one_machine,
    a_worker_that_is_killed_makes_the_run_invalid_by_name,
    the_death_of_worker_0_ends_the_others_with_their_parts_whole,
    scancel_ends_all_and_what_was_measured_is_saved,
    a_sweep_that_was_stopped_is_resumed_by_all,
    a_worker_that_stands_still_for_five_seconds_is_seen,
    worker_0_holds_its_results_and_the_others_end,
    another_program_is_refused_by_name,
    another_dataset_is_refused_by_name,
    the_scripts_of_deploy_slurm_play,
]


def skip_reason():
    missing = cluster.missing() + [name for name in ("zstd", "curl") if shutil.which(name) is None]
    if missing:
        return f"not here: {', '.join(missing)} (apt-get install slurm-wlm munge zstd curl)"
    if os.geteuid() != 0:
        return "slurmd is started by root"
    if subprocess.run(["unshare", "-T", "--monotonic", "5", "true"], capture_output=True).returncode != 0:
        return "this kernel has no time namespaces"
    return None


def main(wanted):
    reason = skip_reason()
    if reason:
        print(f"SKIPPED: load from four machines: {reason}")
        return 0
    if "SLURM_TEST_INSIDE" not in os.environ:
        # The nodes' names must resolve, for this program and what it starts alone.
        os.environ["SLURM_TEST_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-m", sys.executable, __file__, *wanted])
    # What was started is ended also where somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    failed = 0
    with tempfile.NamedTemporaryFile("w", prefix="hosts-") as hosts:
        hosts.write(Path("/etc/hosts").read_text() + "\n127.0.0.1 n1 n2 n3 n4\n")
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        with cluster.Cluster() as slurm:
            place = Place()
            try:
                for test in tests:
                    begun = time.monotonic()
                    try:
                        test(place)
                        print(f"{test.__name__} … ok ({time.monotonic() - begun:.1f} s)", flush=True)
                    except Exception:
                        failed += 1
                        traceback.print_exc(file=sys.stdout)
                        print(f"{test.__name__} … FAILED", flush=True)
                        if os.environ.get("SLURM_TEST_LOGS"):
                            print(slurm.logs())
            finally:
                place.close()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
