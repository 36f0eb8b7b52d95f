"""Makes the Hugging Face form (bf16) of the try-out model from its GGUF file: gguf_to_hf.py FILE.gguf DIRECTORY.

Runs in an engine's environment: it needs torch, transformers, tokenizers, safetensors, gguf and accelerate.
The directory appears whole or not at all. Read with transformers, then mended where the conversion
loses something, so that every engine sees the same tokens; the last step proves it.
"""

import json
import os
import shutil
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

PROBE = "a  b\n\n 3.14"
PROBE_TOKENS = [81, 216, 278, 8866, 35, 30, 33, 36]
BOS, EOS = "<|im_start|>", "<|im_end|>"


def save_weights(source: str, target: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    print("reading the GGUF file", flush=True)
    read = AutoModelForCausalLM.from_pretrained(
        os.path.dirname(source), gguf_file=os.path.basename(source), dtype=torch.bfloat16
    )
    # transformers 5 refuses save_pretrained on what came from a GGUF: the tensors go into a fresh model.
    config = type(read.config)(**{
        key: value for key, value in read.config.to_dict().items() if key != "quantization_config"
    })
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 2, 2
    print("copying the tensors", flush=True)
    fresh = type(read)(config).to(torch.bfloat16)
    fresh.load_state_dict(read.state_dict())
    fresh.tie_weights()
    fresh.generation_config.bos_token_id = 1
    fresh.generation_config.eos_token_id = 2
    fresh.generation_config.pad_token_id = 2
    print("writing the weights", flush=True)
    fresh.save_pretrained(target)


def save_tokenizer(source: str, target: str) -> None:
    from transformers import AutoTokenizer

    print("writing the tokenizer", flush=True)
    tokenizer = AutoTokenizer.from_pretrained(
        os.path.dirname(source), gguf_file=os.path.basename(source)
    )
    tokenizer.save_pretrained(target)


def edit(path: str, change) -> None:
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    change(data)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, indent=2)


def mend_tokenizer(data: dict) -> None:
    """Each digit is a token of its own in this model's family; a GGUF only names that rule."""
    data["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    data["normalizer"] = None
    data["post_processor"] = None


def mend_tokenizer_config(data: dict, template: str) -> None:
    data["tokenizer_class"] = "PreTrainedTokenizerFast"
    data["bos_token"], data["eos_token"], data["pad_token"] = BOS, EOS, EOS
    data["unk_token"] = "<|endoftext|>"
    data["add_prefix_space"] = False
    data["clean_up_tokenization_spaces"] = False
    # Inside the file too: older engines do not read chat_template.jinja.
    data["chat_template"] = template


def mend_config(data: dict, rope_theta: float) -> None:
    # Older transformers look for these two where newer ones write rope_parameters and dtype.
    data["rope_theta"] = rope_theta
    data["torch_dtype"] = "bfloat16"
    data["bos_token_id"], data["eos_token_id"], data["pad_token_id"] = 1, 2, 2
    data.pop("quantization_config", None)
    data.pop("_name_or_path", None)


def read_gguf(path: str) -> tuple:
    """The chat template and the rope base as the GGUF file holds them."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    template = bytes(fields["tokenizer.chat_template"].parts[-1]).decode("utf-8")
    architecture = bytes(fields["general.architecture"].parts[-1]).decode("utf-8")
    return template, float(fields[f"{architecture}.rope.freq_base"].parts[-1][0])


def prove(target: str) -> None:
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(target).encode(PROBE, add_special_tokens=False)
    if list(tokens) != PROBE_TOKENS:
        sys.exit(f"the tokenizer made from the GGUF is not right: {tokens}, expected {PROBE_TOKENS}")


def main() -> None:
    source, target = (os.path.abspath(argument) for argument in sys.argv[1:3])
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    work = tempfile.mkdtemp(prefix=".hf-", dir=parent)
    try:
        template, rope_theta = read_gguf(source)
        save_weights(source, work)
        save_tokenizer(source, work)
        edit(os.path.join(work, "tokenizer.json"), mend_tokenizer)
        edit(os.path.join(work, "tokenizer_config.json"), lambda data: mend_tokenizer_config(data, template))
        edit(os.path.join(work, "config.json"), lambda data: mend_config(data, rope_theta))
        prove(work)
        os.chmod(work, 0o755)
        os.chmod(os.path.join(work, "model.safetensors"), 0o644)
        if os.path.isdir(target):
            shutil.rmtree(target)
        os.rename(work, target)
        print("done", flush=True)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


if __name__ == "__main__":
    main()
