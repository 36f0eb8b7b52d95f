#!/bin/sh
'''exec' "$(dirname -- "$0")/python" "$0" "$@"
' '''
"""llama.cpp's own HTTP server out of the wheel `xllamacpp`, with the flags of the program `llama-server`.

`harness install llamacpp` puts it into the environment as `bin/llama-server`. A flag that the wheel cannot
honour is refused by name; none is ignored.
"""

import argparse
import os
import platform
import signal
import sys
import threading
from importlib.metadata import version

NEEDED = ("avx2", "fma", "f16c", "bmi2")
GPU_FLAGS = ("--n-gpu-layers", "--tensor-split")


def refuse(text, cure):
    print(f"error: {text}\n{cure}", file=sys.stderr, flush=True)
    sys.exit(2)


def missing_instructions():
    """What the wheel's code uses and this processor lacks; the aarch64 wheel needs nothing special."""
    if platform.machine() != "x86_64":
        return []
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        flags = next((line.split() for line in lines if line.startswith("flags")), None)
    return [] if flags is None else [name for name in NEEDED if name not in flags]


def switch(text):
    values = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text}: takes on or off")
    return values[text.lower()]


def member(kind, prefix, text, others=None):
    """A member of an enumeration of llama.cpp by the name that llama-server takes: `q8_0`."""
    name = (others or {}).get(text.lower(), text.upper())
    found = getattr(kind, prefix + name, None)
    if found is None:
        refuse(f"invalid argument: {text}", "the values are those of llama-server")
    return found


def arguments():
    parser = argparse.ArgumentParser(prog="llama-server (prebuilt)", allow_abbrev=False)
    add = parser.add_argument
    add("--version", action="store_true")
    add("-m", "--model")
    add("-a", "--alias")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8080)
    add("--api-key", default=os.environ.get("LLAMA_API_KEY"))
    add("-np", "--parallel", type=int, default=4)
    add("-c", "--ctx-size", type=int, default=0)
    add("-t", "--threads", type=int)
    add("-tb", "--threads-batch", type=int)
    add("--threads-http", type=int)
    add("-b", "--batch-size", type=int)
    add("-ub", "--ubatch-size", type=int)
    add("-n", "--predict", "--n-predict", type=int)
    add("-ctk", "--cache-type-k")
    add("-ctv", "--cache-type-v")
    add("-fa", "--flash-attn")
    add("-sm", "--split-mode")
    add("-mg", "--main-gpu", type=int)
    add("-fit", "--fit", type=switch)
    add("-s", "--seed", type=int)
    add("-cram", "--cache-ram", type=int)
    add("--kv-unified-per-slot", type=int)
    add("-dev", "--device")
    add("--chat-template")
    for name in ("cache-prompt", "kv-unified", "slots", "warmup", "cont-batching", "jinja", "webui"):
        add("--" + name, action=argparse.BooleanOptionalAction, default=None)
    for name in ("metrics", "props", "offline", "swa-full"):
        add("--" + name, action="store_true")
    known, unknown = parser.parse_known_args()
    for flag in (text.split("=")[0] for text in unknown):
        if flag in GPU_FLAGS:
            refuse(f"invalid argument: {flag} (the prebuilt llama.cpp has no GPU code)", SOURCE)
    if unknown:
        refuse(f"invalid argument: {unknown[0]} (the prebuilt llama.cpp does not take it)", SOURCE)
    if known.device not in (None, "none"):
        refuse("invalid argument: --device (the prebuilt llama.cpp has no GPU code)", SOURCE)
    return known


SOURCE = "harness install llamacpp --from source brings a server that takes every flag: --set llamacpp.build=source"

# The flag's name in `arguments`, and the class's own.
PLAIN = {
    "parallel": "n_parallel",
    "ctx_size": "n_ctx",
    "threads_http": "n_threads_http",
    "batch_size": "n_batch",
    "ubatch_size": "n_ubatch",
    "predict": "n_predict",
    "main_gpu": "main_gpu",
    "fit": "fit_params",
    "cache_ram": "cache_ram_mib",
    "kv_unified_per_slot": "kv_unified_per_slot",
    "cache_prompt": "cache_prompt",
    "kv_unified": "kv_unified",
    "slots": "endpoint_slots",
    "warmup": "warmup",
    "cont_batching": "cont_batching",
    "jinja": "use_jinja",
    "webui": "ui",
    "metrics": "endpoint_metrics",
    "props": "endpoint_props",
    "offline": "offline",
    "swa_full": "swa_full",
    "chat_template": "chat_template",
    "port": "port",
}


def parameters(asked):
    import xllamacpp as x

    made = x.CommonParams()
    made.model.path = asked.model
    made.hostnames = [asked.host]
    if asked.alias:
        made.model_alias = {asked.alias}
    if asked.api_key:
        made.api_keys = asked.api_key.split(",")
    for flag, own in PLAIN.items():
        value = getattr(asked, flag)
        if value is not None:
            setattr(made, own, value)
    if asked.threads:
        made.cpuparams.n_threads = asked.threads
    # As in llama-server: without a number of their own, prompts are read by as many.
    if asked.threads_batch or asked.threads:
        made.cpuparams_batch.n_threads = asked.threads_batch or asked.threads
    if asked.seed is not None:
        made.sampling.seed = asked.seed % 2**32
    if asked.cache_type_k:
        made.cache_type_k = member(x.ggml_type, "GGML_TYPE_", asked.cache_type_k)
    if asked.cache_type_v:
        made.cache_type_v = member(x.ggml_type, "GGML_TYPE_", asked.cache_type_v)
    if asked.flash_attn:
        words = {"on": "ENABLED", "1": "ENABLED", "off": "DISABLED", "0": "DISABLED"}
        made.flash_attn_type = member(
            x.llama_flash_attn_type, "LLAMA_FLASH_ATTN_TYPE_", asked.flash_attn, words
        )
    if asked.split_mode:
        made.split_mode = member(x.llama_split_mode, "LLAMA_SPLIT_MODE_", asked.split_mode)
    return made


def main():
    missing = missing_instructions()
    if missing:
        refuse(f"the prebuilt llama.cpp needs {', '.join(missing).upper()}, which this processor lacks", SOURCE)
    asked = arguments()
    distribution = version("xllamacpp")
    build = "b" + distribution.rsplit(".", 1)[-1]
    if asked.version:
        # Also the proof of an installation: the library is loaded.
        import xllamacpp  # noqa: F401

        print(f"version: {build} (xllamacpp {distribution})")
        return
    if not asked.model:
        refuse("no --model FILE.gguf", "llama-server serves one model")
    stop = threading.Event()

    def on_signal(_number, _frame):
        # The first waits for open requests; the second ends at once, also while the library holds Python.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    import xllamacpp as x

    server = x.Server(parameters(asked))
    print(f"llama.cpp {build} (xllamacpp {distribution}): listening on {server.listening_address}", flush=True)
    stop.wait()
    # Its end is the server's.
    del server


if __name__ == "__main__":
    main()
