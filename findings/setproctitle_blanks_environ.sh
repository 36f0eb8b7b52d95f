#!/usr/bin/env bash
# A process that names itself with setproctitle has an empty /proc/PID/environ from then on: no mark in it can be found.
#
# Package  setproctitle 1.3.7 (PyPI), which vLLM (`VLLM::EngineCore`) and SGLang (`sglang::scheduler`) name their
#          processes with
# Guess    /proc/PID/environ shows the environment that a process was started with, as proc(5) says: a process of one's own
#          is found again by a variable that was given to its launcher.
# Seen     After one call of setproctitle the file is as long as before and holds zero bytes alone: the title is written
#          over arguments and environment, which lie behind each other. os.environ is whole, and children inherit it: their
#          environ shows the variable until they name themselves too.
# Matters  Whoever cleans up after a benchmark, or says whose GPU memory it is, by a variable in environ misses the very
#          processes that hold the GPU: the launcher is found, its engine is not, and stays. Follow process groups,
#          sessions and parents, or be the subreaper.
set -euo pipefail
[ -r /proc/self/environ ] || { echo "needs Linux' /proc" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check setproctitle==1.3.7 || exit 2

cat >"$work/see.py" <<'PYTHON'
import os
import subprocess
import sys

import setproctitle


def environ():
    with open("/proc/self/environ", "rb") as file:
        return file.read()


before = environ()
setproctitle.setproctitle("VLLM::EngineCore")
after = environ()
child = subprocess.run(["cat", "/proc/self/environ"], capture_output=True, check=True).stdout
seen = [b"MARK_OF_THE_LAUNCH=1" in text for text in (before, after, child)]
print(f"setproctitle {setproctitle.__version__}: mark in environ before {seen[0]}, after {seen[1]}, of a child {seen[2]}; "
      f"{len(after)} bytes, {len(after.strip(bytes(1)))} of them no zeros; os.environ has it: "
      f"{os.environ.get('MARK_OF_THE_LAUNCH') == '1'}")
sys.exit(seen != [True, False, True] or len(after) != len(before) or after.strip(bytes(1)) != b"")
PYTHON
MARK_OF_THE_LAUNCH=1 "$work/venv/bin/python" "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
