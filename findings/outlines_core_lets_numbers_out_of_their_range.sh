#!/usr/bin/env bash
# outlines-core takes a schema with a range of numbers, and the answer that it guarantees need not be valid.
#
# Package  outlines-core 0.2.14, jsonschema 4.26.0 (PyPI)
# Guess    Structured output that was generated under a JSON schema is valid under it; a keyword that cannot be kept is
#          refused when the schema is read.
# Seen     minimum, maximum, multipleOf, uniqueItems, and a required property that is not among the properties, are passed
#          over without a word: the expression that generation is held to matches -7 for a score from 1 to 5, [3, 3] for
#          unique items, and {"a": 1} where b is required. jsonschema refuses all of them. minItems and minLength are kept.
# Matters  A benchmark that takes "guided" for "valid" counts wrong answers as good; engines that use another grammar library
#          keep the range, so the share of valid answers then compares libraries and not models.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check outlines-core==0.2.14 jsonschema==4.26.0 || exit 2

cat >"$work/see.py" <<'PYTHON'
import importlib.metadata
import json
import re
import sys
import jsonschema
from outlines_core.json_schema import build_regex_from_schema

number, numbers = {"type": "integer"}, {"type": "array", "items": {"type": "integer"}}
cases = [
    ("minimum, maximum", number | {"minimum": 1, "maximum": 5}, "-7"),
    ("multipleOf", number | {"multipleOf": 10}, "7"),
    ("uniqueItems", numbers | {"uniqueItems": True}, "[3, 3]"),
    ("required alone", {"type": "object", "properties": {"a": number}, "required": ["a", "b"]}, '{"a": 1}'),
    ("minItems", numbers | {"minItems": 2}, "[3]"),
    ("minLength", {"type": "string", "minLength": 2}, '"a"'),
]
seen = {}
for name, schema, answer in cases:
    generated = re.fullmatch(build_regex_from_schema(json.dumps(schema)), answer) is not None
    valid = jsonschema.Draft202012Validator(schema).is_valid(json.loads(answer))
    seen[name] = (generated, valid)
    print(f"{name}: {answer} can be generated: {generated}; valid: {valid}")
print("outlines-core", importlib.metadata.version("outlines-core"))
loose = {"minimum, maximum", "multipleOf", "uniqueItems", "required alone"}
sys.exit(seen != {name: (name in loose, False) for name, _, _ in cases})
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" || { echo "no longer so"; exit 1; }
echo "still so"
