"""Records of harness, and what the referee's stamps say of them."""

import json
import re
import subprocess
from statistics import mean, pvariance


class Records:
    """One records file: header, requests by index, footer."""

    def __init__(self, path):
        lines = read_lines(path)
        self.header = lines[0]
        self.footer = lines[-1] if len(lines) > 1 and "index" not in lines[-1] else None
        self.is_closed = self.footer is not None
        requests = [line for line in lines[1:] if line.get("phase") == "measured"]
        self.by_index = {line["index"]: line for line in requests}
        assert len(self.by_index) == len(requests), f"{path}: an index twice"
        part = re.search(r"_records\.w(\d+)\.jsonl", path.name)
        self.worker = int(part[1]) if part else None

    @staticmethod
    def of(folder):
        """The run's one file (None where there is none), and the parts of the workers in their order."""
        files = [Records(path) for path in sorted(folder.glob("*_records*.jsonl*"))]
        parts = sorted((each for each in files if each.worker is not None), key=lambda each: each.worker)
        whole = [each for each in files if each.worker is None]
        assert len(whole) <= 1, f"{len(whole)} runs in {folder}"
        return (whole[0] if whole else None), parts

    def schedule(self):
        """(prompt, due since the first, µs) in the order of the indices."""
        first = min(line["due_us"] for line in self.by_index.values())
        return [(line["prompt_id"], line["due_us"] - first) for _, line in sorted(self.by_index.items())]


def read_lines(path):
    """The lines that are whole: a file whose writer was killed may end in half a line or half a frame."""
    if path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq", path], capture_output=True).stdout
    else:
        data = path.read_bytes()
    whole, _, _ = data.rpartition(b"\n")
    return [json.loads(line) for line in whole.split(b"\n") if line]


def percentile(values, at):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * at / 100))]


def clock_errors(parts, ahead_s):
    """For each worker (error, bound) of its clock map, µs: the offset that it says, less the true one. All tasks ran on one
    machine, whose one CLOCK_MONOTONIC their time namespaces moved by whole seconds, so the truth is known."""

    def zero_us(part):
        return part.header["monotonic_zero_ns"] / 1e3 - ahead_s[part.worker] * 1e6

    first = zero_us(parts[0])
    found = []
    for part in parts:
        true_us = zero_us(part) - first
        points = (part.footer.get("clock") or {}).get("points", [])
        if part.worker == 0:
            found.append((0.0, 0.0))
            continue
        assert points, f"worker {part.worker} does not say how its clock hangs with that of worker 0"
        found.append(max(((point["offset_us"] - true_us, point["bound_us"]) for point in points), key=lambda each: abs(each[0]) - each[1]))
    return found


class Late(list):
    """ms from due to arrival, with the index of each."""

    def __init__(self, by_index):
        super().__init__(late_ms for _, late_ms in by_index)
        self.by_index = by_index


def timings(merged, parts, told, ahead_s):
    """ms from due, on worker 0's clock, to the arrival by the referee's."""
    # The referee pairs its two clocks before and after; between them they may drift apart.
    (real_0, mono_0), (real_1, mono_1) = told["clocks"][0], told["clocks"][-1]
    slope = (mono_1 - mono_0) / (real_1 - real_0)
    zero_ns = parts[0].header["monotonic_zero_ns"] - ahead_s[0] * 10**9
    by_index = []
    for number, stamp in told["arrivals"]:
        arrival_ns = mono_0 + (stamp - real_0) * slope - zero_ns
        by_index.append((number, arrival_ns / 1e6 - merged.by_index[number]["due_us"] / 1e3))
    return Late(by_index)


def dispersion(stamps_ns, window_ns=10_000_000):
    """Variance over mean of the counts in windows: 1 where arrivals are Poisson's."""
    first, last = min(stamps_ns), max(stamps_ns)
    counts = [0] * ((last - first) // window_ns + 1)
    for stamp in stamps_ns:
        counts[(stamp - first) // window_ns] += 1
    counts = counts[:-1]
    return pvariance(counts) / mean(counts)
