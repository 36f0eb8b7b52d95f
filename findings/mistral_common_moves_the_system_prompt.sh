#!/usr/bin/env bash
# With Mistral's tokenizers v2 and v3 the system prompt moves to the last question: turns of a conversation share no prefix.
#
# Package  mistral-common 1.13.1 (PyPI; brings the tokenizers v1, v2, v3, v7 and Tekken with it)
# Guess    The prompt of the second turn begins with that of the first, and its answer, so a prefix cache has all but the new
#          question. A long system prompt at the start is the best case.
# Seen     A system prompt of some 350 tokens, two turns. v1 and v7 keep it in front: the second prompt begins with all 365
#          (360) tokens of the first. v2, v3 and v3 with Tekken put it into the newest question: the two prompts have 2 tokens
#          in common, and the rest is new in each turn.
# Matters  A multi-turn benchmark of such a model on a server that uses these tokenizers finds no hit in the prefix cache
#          from turn to turn, and TTFT grows with the conversation. It looks like the engine's cache failing, or like
#          a slow model; the same load against a model of v7 is cached.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check 'mistral-common[sentencepiece]==1.13.1' || exit 2

cat >"$work/see.py" <<'PYTHON'
import sys
from pathlib import Path
import mistral_common
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

data = Path(mistral_common.__file__).parent / "data"
files = {
    "v1": "tokenizer.model.v1",
    "v2": "mistral_instruct_tokenizer_240216.model.v2",
    "v3": "mistral_instruct_tokenizer_240323.model.v3",
    "v3 Tekken": "tekken_240911.json",
    "v7": "mistral_instruct_tokenizer_241114.model.v7",
}
first = [SystemMessage(content="Answer briefly and in plain words. " * 50), UserMessage(content="Is it cold?")]
second = [*first, AssistantMessage(content="Yes."), UserMessage(content="Does it snow?")]
seen = {}
for name, file in files.items():
    tokenizer = MistralTokenizer.from_file(str(data / file))
    one, two = (tokenizer.encode_chat_completion(ChatCompletionRequest(messages=turns)).tokens for turns in (first, second))
    shared = next((at for at, (a, b) in enumerate(zip(one, two)) if a != b), len(one))
    seen[name] = (len(one), len(two), shared)
    print(f"{name}: the first turn has {len(one)} tokens, the second {len(two)}, of which {shared} are a common prefix")
in_front = [shared == one for one, _, shared in (seen["v1"], seen["v7"])]
moved = [shared == 2 for _, _, shared in (seen["v2"], seen["v3"], seen["v3 Tekken"])]
sys.exit(not all(in_front + moved))
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" 2>"$work/log" || { tail -3 "$work/log" >&2; echo "no longer so"; exit 1; }
echo "still so"
