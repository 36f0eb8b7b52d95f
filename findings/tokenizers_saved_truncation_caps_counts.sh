#!/usr/bin/env bash
# A tokenizer.json may hold limits of the model that it was saved for, and whoever counts tokens with it gets them as counts.
#
# Package  tokenizers 0.22.1
# Guess    `Tokenizer.from_file(…).encode(text).ids` are the tokens of the text: their number is the prompt's length.
# Seen     A tokenizer that was saved with truncation to 8 and padding to 8 counts 8 tokens for a text of 100, and 8 for a
#          text of 1. Nothing is raised or logged. What was cut off is in `overflowing`, what was added has an
#          attention mask of 0; without both settings the counts are 100 and 1.
# Matters  Files of embedding and reward models are saved so (512 and such). A prompt set that is counted with one is
#          level where it is not: long prompts look equal, and throughput in tokens a second is of the cap, not of the text.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check tokenizers==0.22.1 || exit 2

cat >"$work/see.py" <<'PYTHON'
import sys
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers

made = Tokenizer(models.WordLevel({"word": 0, "[PAD]": 1}, unk_token="word"))
made.pre_tokenizer = pre_tokenizers.Whitespace()
made.enable_truncation(8)
made.enable_padding(length=8, pad_id=1, pad_token="[PAD]")
made.save(sys.argv[1])

read = Tokenizer.from_file(sys.argv[1])
long, short = read.encode("word " * 100), read.encode("word")
seen = (len(long.ids), len(short.ids))
told = (len(long.overflowing) > 0, sum(short.attention_mask))
read.no_truncation()
read.no_padding()
true = (len(read.encode("word " * 100).ids), len(read.encode("word").ids))
print(f"tokenizers {tokenizers.__version__}: counts {seen}, of texts of {true} tokens; overflowing {told[0]}, mask {told[1]}")
sys.exit((seen, told, true) != ((8, 8), (True, 1), (100, 1)))
PYTHON
"$work/venv/bin/python" "$work/see.py" "$work/tokenizer.json" || { echo "no longer so"; exit 1; }
echo "still so"
