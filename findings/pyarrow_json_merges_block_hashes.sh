#!/usr/bin/env bash
# pyarrow reads 64-bit block hashes from JSON as doubles: different KV blocks become equal.
#
# Package  pyarrow 26.0.1, polars 2.1.0 (PyPI)
# Guess    pyarrow.json, which has 64-bit integers both signed and not, reads an unsigned one as one, or refuses it.
# Seen     One number above 2^63 - 1 anywhere in a column makes the whole column double, lists included, with no warning.
#          1,000 blocks whose hashes differ in the low bits are 1 block, and 4,000 hashes that a good function gave are whole
#          numbers that are off by up to 1,024. An explicit schema with uint64 reads them right, and so does polars by itself.
# Matters  Traces for prefix caches name blocks by hashes. Ids that are numbered near each other in the upper half merge, so the
#          trace has more reuse than it had; others no longer match the events that the engine reports.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check pyarrow==26.0.1 polars==2.1.0 || exit 2

cat >"$work/see.py" <<'PYTHON'
import hashlib
import json
import sys
from pathlib import Path
import polars
import pyarrow
import pyarrow.json

path = Path(sys.argv[1])


def distinct(hashes, schema=None):
    """The type of the column, the number of blocks in it, and by how much the worst of them is off."""
    path.write_text("".join(json.dumps({"hash_ids": hashes[at : at + 4]}) + "\n" for at in range(0, len(hashes), 4)))
    options = pyarrow.json.ParseOptions(explicit_schema=schema)
    table = pyarrow.json.read_json(path, parse_options=options)
    read = [value for line in table["hash_ids"].to_pylist() for value in line]
    off = max(abs(int(value) - true) for value, true in zip(read, hashes))
    return str(table.schema.field("hash_ids").type.value_type), len(set(read)), off


near = [2**63 + at for at in range(1000)]
good = [int.from_bytes(hashlib.sha256(bytes(str(at), "ascii")).digest()[:8], "big") for at in range(4000)]
small = list(range(1, 1000)) + [2**63]
told = pyarrow.schema([("hash_ids", pyarrow.list_(pyarrow.uint64()))])
seen = {"near": distinct(near), "good": distinct(good), "one large": distinct(small), "told": distinct(near, told)}
for name, (kind, blocks, off) in seen.items():
    print(f"{name}: {kind}, {blocks} different blocks, off by up to {off}")
distinct(near)
other = polars.read_ndjson(path)["hash_ids"].explode()
print(f"polars: {other.dtype}, {other.n_unique()} different blocks")
still = seen["near"][:2] == ("double", 1) and seen["good"][0] == "double" and 512 < seen["good"][2] <= 1024
still &= seen["one large"][0] == "double" and seen["told"] == ("uint64", 1000, 0) and other.n_unique() == 1000
sys.exit(not still)
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" "$work/trace.jsonl" || { echo "no longer so"; exit 1; }
echo "still so"
