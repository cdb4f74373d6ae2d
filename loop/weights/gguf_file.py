"""A model as one GGUF file, for llama.cpp and what is built on it: llama, qwen2 and qwen3, in f16, q8_0 or q4_0.

The format is ggml's (docs/gguf.md); the `gguf` package, its own, names, rounds and writes the tensors.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from numpy.typing import NDArray

from loop.errors import Unsafe
from loop.weights.job import Quant
from loop.weights.speech import Speech

KINDS: Final[Mapping[Quant, tuple[Kind, gguf.LlamaFileType]]] = {
    "f16": (Kind.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (Kind.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (Kind.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
FAMILIES: Final = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
OUTSIDE: Final = ("token_embd.weight", "output.weight")
"""What llama.cpp keeps finer than the rest where that has four bits."""
SPLITS: Final = (
    # How a tokenizer cuts text before merging, by what stands in its settings and no other's, and GGUF's word for it.
    (re.compile(r"\\\\p\{N\}\{1,3\}"), "llama-bpe"),
    (re.compile(r"\\\\p\{N\}\|"), "qwen2"),
    (re.compile(r'"type":\s*"Digits".*"individual_digits":\s*true'), "smollm"),
    (re.compile(r'^\{"type":\s*"ByteLevel"'), "gpt-2"),
)


def write(file: Path, directory: Path, weights: Mapping[str, NDArray[np.float32]], how: Speech, quant: Quant) -> None:
    """Write a model.

    Args:
        file: what is made.
        directory: of the base model: its settings and its tokenizer.
        weights: all of them, under Hugging Face's names.
        how: chat template and end of turn.
        quant: what matrices are rounded to; vectors stay as they are.

    Raises:
        Unsafe: family or tokenizer are none that are known, or something that the model computes with would be lost.
    """
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    family = FAMILIES.get(config.get("model_type"))
    if family is None:
        raise Unsafe(f"{config.get('model_type')} is not written as GGUF: {', '.join(FAMILIES)} are. Use --to hf.")
    if lost := _lost(config):
        raise Unsafe(f"{directory.name} would become another model as GGUF: {lost} is not written. Use --to hf.")
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[family])
    _describe(writer, config, KINDS[quant][1])
    _add_tokenizer(writer, directory, config, how)
    names = gguf.get_tensor_name_map(family, config["num_hidden_layers"])
    for name, weight in weights.items():
        known = names.get_name(name, (".weight", ".bias"))
        if known is None:
            raise Unsafe(f"{name} has no name in GGUF.")
        kind = _kind(known, weight, KINDS[quant][0])
        data = gguf.quants.quantize(_permuted(name, weight, config), kind)
        writer.add_tensor(known, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _lost(config: Mapping[str, Any]) -> str:
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default")) if isinstance(scaling, dict) else scaling
    if kind != "default":
        return f"rope scaling '{kind}'"
    return "use_sliding_window" if config.get("use_sliding_window") else ""


def _describe(writer: gguf.GGUFWriter, config: Mapping[str, Any], kind: gguf.LlamaFileType) -> None:
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_name(str(config.get("_name_or_path") or "loopd"))
    writer.add_file_type(kind)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(_rope_base(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _rope_base(config: Mapping[str, Any]) -> float:
    return float(config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta") or 10_000.0)


def _kind(name: str, weight: NDArray[np.float32], wanted: Kind) -> Kind:
    if weight.ndim == 1 or weight.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
        return Kind.F32
    return Kind.Q8_0 if wanted is Kind.Q4_0 and name in OUTSIDE else wanted


def _permuted(name: str, weight: NDArray[np.float32], config: Mapping[str, Any]) -> NDArray[np.float32]:
    """Interleave the rotary halves of each head, as llama.cpp wants them of llama and of no other family here."""
    key = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}.get(name.split(".")[-2])
    if config["model_type"] != "llama" or key is None:
        return weight
    heads = config.get(key) or config["num_attention_heads"]
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def _add_tokenizer(writer: gguf.GGUFWriter, directory: Path, config: Mapping[str, Any], how: Speech) -> None:
    document = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_split(document, directory))
    tokens, kinds = zip(*_tokens(document, config["vocab_size"]), strict=True)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in document["model"]["merges"]]
    )
    writer.add_eos_token_id(how.end)
    writer.add_eot_token_id(how.end)
    writer.add_bos_token_id(_token_id(config.get("bos_token_id"), how.end))
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(how.template)


def _token_id(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _split(document: Mapping[str, Any], directory: Path) -> str:
    """Find GGUF's word for how this tokenizer cuts text.

    Raises:
        Unsafe: there is none that is known here.
    """
    spelled = json.dumps(document.get("pre_tokenizer"))
    byte_level = document["model"].get("type") == "BPE" and "ByteLevel" in spelled
    name = next((word for pattern, word in SPLITS if pattern.search(spelled)), None)
    if not byte_level or name is None:
        raise Unsafe(f"{directory.name}: its tokenizer's pre-tokenization has no known name in GGUF. Use --to hf.")
    return name


def _tokens(document: Mapping[str, Any], size: int) -> Iterator[tuple[str, gguf.TokenType]]:
    """Give every id's text and kind, in order; ids that the tokenizer does not use are told as such."""
    words = {token: text for text, token in document["model"]["vocab"].items()}
    added = {token["id"]: token for token in document.get("added_tokens", ())}
    for token in range(max(size, len(words))):
        if token in added:
            kind = gguf.TokenType.CONTROL if added[token]["special"] else gguf.TokenType.USER_DEFINED
            yield added[token]["content"], kind
        elif token in words:
            yield words[token], gguf.TokenType.NORMAL
        else:
            yield f"[PAD{token}]", gguf.TokenType.UNUSED
