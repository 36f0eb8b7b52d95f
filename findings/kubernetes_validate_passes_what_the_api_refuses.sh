#!/usr/bin/env bash
# kubernetes-validate, in its strict mode too, passes a Job that no cluster takes: half a GPU, minus one GPU, a misspelt mode.
#
# Package  kubernetes-validate 1.37.0 (PyPI), Kubernetes' own schemas of 1.37
# Guess    `strict` validation against the schemas of a release finds what this release's API server refuses in a manifest.
# Seen     It finds a misspelt field and a wrong type. It passes `completionMode: Indexd`, `restartPolicy: Alwys`,
#          `nvidia.com/gpu: "0.5"` and -1, a memory of `1Gigs` and a name with an underscore: the schemas hold no list of
#          the values, and a quantity is any string or number. The rules are in the API server's code alone.
# Matters  Manifests of a benchmark that pass in CI fail when the GPUs are booked and paid for. Only
#          `kubectl apply --dry-run=server` against a real server tells.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check kubernetes-validate==1.37.0 || exit 2

cat >"$work/see.py" <<'PYTHON'
import importlib.metadata
import sys
import kubernetes_validate


def verdict(mode="Indexed", restart="Never", gpus="1", memory="1Gi", name="load", field="completions"):
    container = {"name": "load", "image": "load", "resources": {"limits": {"nvidia.com/gpu": gpus, "memory": memory}}}
    pod = {"spec": {"restartPolicy": restart, "containers": [container]}}
    job = {"completionMode": mode, field: 4, "template": pod}
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": job}
    try:
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    except kubernetes_validate.ValidationError:
        return "refused"
    return "passed"


found = {"field completion": verdict(field="completion"), "memory [1]": verdict(memory=[1])}
missed = {
    "a right one": verdict(),
    "completionMode Indexd": verdict(mode="Indexd"),
    "restartPolicy Alwys": verdict(restart="Alwys"),
    "half a GPU": verdict(gpus="0.5"),
    "-1 GPU": verdict(gpus=-1),
    "memory 1Gigs": verdict(memory="1Gigs"),
    "name the_load": verdict(name="the_load"),
}
print(f"kubernetes-validate {importlib.metadata.version('kubernetes-validate')}, strict, schemas of 1.37:")
for what, said in (found | missed).items():
    print(f"  {what}: {said}")
sys.exit(set(found.values()) != {"refused"} or set(missed.values()) != {"passed"})
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
