#!/usr/bin/env bash
# One chat template and one list of tools are two prompts: minijinja's `tojson` escapes what transformers' does not.
#
# Package  minijinja 3.1.0, transformers 5.24.0 with jinja2 3.1.6 (PyPI)
# Guess    minijinja renders Jinja templates, so a model's template gives the prompt that the model was trained with, which is
#          the one of transformers' apply_chat_template.
# Seen     For the usual `{{ tool | tojson }}` minijinja writes ', &, < and > as \u0027, \u0026, \u003c and \u003e, for use
#          in HTML. transformers puts a filter of its own in the place of jinja2's, which escapes too, and writes them as
#          they are. "Today's wind, if it isn't < 0" is 15 characters longer; spaces and the order of keys agree. A template
#          without tools is equal to the byte.
# Matters  Each apostrophe in a description of a tool becomes six characters, in a form that the model was not trained with. A
#          gateway or load generator in Rust counts a longer prompt than a server in Python, with the same template.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" &&
  "$work/venv/bin/pip" install -q --disable-pip-version-check minijinja==3.1.0 transformers==5.24.0 jinja2==3.1.6 || exit 2

cat >"$work/see.py" <<'PYTHON'
import importlib.metadata
import sys
import minijinja
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

TEMPLATE = """{% for tool in tools %}{{ tool | tojson }}
{% endfor %}{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}<assistant>"""
messages = [{"role": "user", "content": "Isn't it < 0 & cold?"}]


def tool(description):
    place = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": "wind", "description": description, "parameters": place}}


def prompts(tools):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=TEMPLATE)
    by_transformers = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True)
    environment = minijinja.Environment(trim_blocks=True, lstrip_blocks=True)
    return by_transformers, environment.render_str(TEMPLATE, tools=tools, messages=messages)


print(*(f"{name} {importlib.metadata.version(name)}" for name in ("transformers", "minijinja", "jinja2")), sep=", ")
quoted, plain, none = prompts([tool("Today's wind, if it isn't < 0")]), prompts([tool("The wind, if any")]), prompts([])
for name, (one, other) in (("a tool with ' and <", quoted), ("a plain tool", plain), ("no tool", none)):
    print(f"{name}: {len(one)} characters by transformers, {len(other)} by minijinja, equal: {one == other}")
print(quoted[1].splitlines()[0])
still = "Today's wind, if it isn't < 0" in quoted[0] and r"Today\u0027s wind, if it isn\u0027t \u003c 0" in quoted[1]
sys.exit(not (still and plain[0] == plain[1] and none[0] == none[1]))
PYTHON
"$work/venv/bin/python" -W ignore "$work/see.py" 2>"$work/log" || { tail -3 "$work/log" >&2; echo "no longer so"; exit 1; }
echo "still so"
