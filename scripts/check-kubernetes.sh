#!/usr/bin/env bash
# Holds what `harness k8s manifest` prints, and deploy/kubernetes, against the schemas of Kubernetes 1.29, 1.34 and 1.37
# (PyPI's kubernetes-validate, strict), and against a reader of YAML 1.1, which is what kubectl has.
# Needs: python3, a built harness (HARNESS=target/release/harness; by default the debug one), PyPI once.
set -euo pipefail
cd "$(dirname "$0")/.."
harness=$(realpath "${HARNESS:-target/debug/harness}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q --disable-pip-version-check \
  kubernetes-validate==1.37.0; } >"$work/pip" 2>&1; then
  tail -3 "$work/pip" >&2
  echo "SKIPPED: kubernetes-validate could not be installed, so no schema was asked" >&2
  exit 0
fi

# Texts that YAML 1.1 takes for something else where they stand without quotes.
cat > "$work/prompts.jsonl" <<'EOF'
{"id": "a", "category": "on", "prompt": "yes: no\n\tlist:\n- 1e3\n", "max_tokens": 8}
{"id": "b", "category": "0x10", "prompt": "12:30:45 — ~ null 'x' \"y\" #z", "max_tokens": 8}
EOF
printf '\x1f\x8b\xff\x00' > "$work/trace.csv.gz"
cat > "$work/plan.yaml" <<EOF
url: http://llm.models:8000
model: "1e3"
dataset: $work/prompts.jsonl
header: ["X-Team: on", "X-Hour: 12:30:45", "X-Number: 0o17", "X-None: ~"]
endpoint_path: "yes"
rate: 100
duration: 1m
EOF
sed "s|^dataset:.*|trace: $work/trace.csv.gz|" "$work/plan.yaml" > "$work/replay.yaml"

manifest() { "$harness" k8s manifest --plan "$work/plan.yaml" "${@:2}" > "$work/$1.yaml"; }
manifest workers-1 --workers 1
manifest workers-4 --workers 4 --name load --namespace perf --api-key-secret llm --join-token-secret join:t \
  --env-secret bucket --service-account bench --upload s3://bucket/path --node-selector pool=load
manifest workers-100 --workers 100 --pvc results --cpu 16 --memory 24Gi --hold 1h
"$harness" k8s manifest --plan "$work/replay.yaml" > "$work/replayed.yaml"
cp deploy/kubernetes/bench.yaml "$work/bench-of-deploy.yaml"
files=("$work"/workers-*.yaml "$work/replayed.yaml" "$work/bench-of-deploy.yaml")
for version in 1.29 1.34 1.37; do
  "$work/venv/bin/kubernetes-validate" --strict --quiet -k "$version" "${files[@]}"
done
# A validator that finds nothing wrong in anything shows nothing.
sed 's/backoffLimit: 0/backofLimit: 0/' "$work/workers-4.yaml" > "$work/broken"
if "$work/venv/bin/kubernetes-validate" --strict --quiet -k 1.34 "$work/broken" >/dev/null 2>&1; then
  echo "check-kubernetes.sh: a misspelt key was let through" >&2
  exit 1
fi

HARNESS_PROGRAM=$harness "$work/venv/bin/python" - "$work" <<'EOF'
import pathlib, sys
import yaml

work = pathlib.Path(sys.argv[1])
config_map, service, job = yaml.safe_load_all((work / "workers-4.yaml").read_text())
assert [each["kind"] for each in (config_map, service, job)] == ["ConfigMap", "Service", "Job"]
assert all(each["metadata"]["namespace"] == "perf" for each in (config_map, service, job))
assert config_map["data"]["prompts.jsonl"] == (work / "prompts.jsonl").read_text()
asked, carried = yaml.safe_load((work / "plan.yaml").read_text()), yaml.safe_load(config_map["data"]["plan.yaml"])
assert carried == {**asked, "dataset": "/plan/prompts.jsonl"}, carried
replayed = next(yaml.safe_load_all((work / "replayed.yaml").read_text()))
import base64
assert base64.b64decode(replayed["binaryData"]["trace.csv.gz"]) == (work / "trace.csv.gz").read_bytes()
for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]:
    assert isinstance(variable.get("value", ""), str), variable
# Every variable of the single pod is a flag, and every flag's value is one that it takes.
import os, subprocess
pod = yaml.safe_load((work / "bench-of-deploy.yaml").read_text())["spec"]["template"]["spec"]
(container,) = pod["containers"]
given = {each["name"]: each["value"] for each in container["env"]}
program = os.environ["HARNESS_PROGRAM"]
(command,) = container["args"]
known = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=True).stdout
for name in given:
    flag = "--" + name.removeprefix("HARNESS_").lower().replace("_", "-")
    assert name == "HOME" or f"{flag} " in known or f"{flag}\n" in known, f"{name} is no flag of {command}"
# No server stands there: the plan is shown, and nothing is sent but a question for its models.
environment = {**os.environ, **given, "HARNESS_URL": "http://127.0.0.1:9", "HARNESS_OUTPUT": str(work / "results")}
shown = subprocess.run([program, command, "--dry-run"], env=environment, capture_output=True, text=True)
assert shown.returncode == 0, shown.stderr
import json
rates = [load["traffic"] for load in json.loads(shown.stdout)["loads"]]
assert len(rates) == len(given["HARNESS_RATE"].split(",")), rates
EOF
# The pods of a manifest, without a cluster: two processes with their command line and variables become one run.
sed 's/^rate:.*/rate: 20/; s/^duration:.*/requests: 40/; /^endpoint_path/d; s/^model:.*/model: simulated/' "$work/plan.yaml" > "$work/two.yaml"
"$harness" k8s manifest --plan "$work/two.yaml" --workers 2 --pvc results > "$work/two-pods.yaml"
HARNESS_PROGRAM=$harness "$work/venv/bin/python" - "$work" <<'EOF'
import json, os, pathlib, socket, subprocess, sys
import yaml

work, program = pathlib.Path(sys.argv[1]), os.environ["HARNESS_PROGRAM"]
config_map, service, job = yaml.safe_load_all((work / "two-pods.yaml").read_text())
(container,) = job["spec"]["template"]["spec"]["containers"]
server = subprocess.Popen(
    [program, "simulate", "--port", "0", "--ttft", "5ms", "--itl", "1ms"], stdout=subprocess.PIPE, text=True
)
pods = []
try:
    url = "http://" + server.stdout.readline().split()[-1].removeprefix("http://")
    (work / "plan").mkdir()
    for name, text in config_map["data"].items():
        # What a cluster gives: the server's name, and where volumes lie.
        text = text.replace("http://llm.models:8000", url).replace("/plan/", f"{work}/plan/")
        (work / "plan" / name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for index in range(job["spec"]["completions"]):
        variables = {each["name"]: each["value"] for each in container["env"]}
        variables |= {"JOB_COMPLETION_INDEX": str(index), "HARNESS_JOIN": f"127.0.0.1:{port}", "HOME": str(work)}
        line = [word.replace("/plan/", f"{work}/plan/") for word in container["args"]]
        line = [f"{work}/pod-{index}" if word == "/results" else word for word in line]
        variables["PATH"] = os.environ["PATH"]
        pods.append(subprocess.Popen([program, *line, "--quiet"], stdout=subprocess.DEVNULL, env=variables))
    assert [pod.wait(60) for pod in pods] == [0, 0]
    (run,) = (work / "pod-0").glob("*.json")
    run = json.loads(run.read_text())["summary"]
    assert run["requests"]["completed"] == 40 and [each["issued"] for each in run["workers"]] == [20, 20], run["workers"]
finally:
    for process in [server, *pods]:
        process.kill()
        process.wait()
EOF
echo "check-kubernetes.sh: ${#files[@]} manifests pass for Kubernetes 1.29, 1.34 and 1.37; two pods of one became one run"
