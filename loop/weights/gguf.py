"""Turn a GGUF file into a directory that mlx-lm loads. Run as a child: `python -m loop.weights.gguf FILE DIR`.

GGUF is llama.cpp's format (docs/gguf.md of ggml). MLX reads Q4_0, Q4_1, Q8_0 and F16 tensors; here they become
float32, because MLX on a Linux CPU multiplies nothing else fast, and a LoRA trains best on full weights.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from loop.errors import Unsafe

GROUP: Final = 32
"""Weights that share a scale in the supported quantizations."""
CONTROL: Final = 3
"""The token type of special tokens in `tokenizer.ggml.token_type`."""
TENSORS: Final = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
"""llama.cpp's names of a block's tensors, and mlx-lm's."""
OUTSIDE: Final = ("token_embd", "output_norm", "output")
SPLIT: Final = "smollm"
"""How the tokenizer cuts text before merging, in `tokenizer.ggml.pre`: the one way that is built here."""


def convert(source: Path, target: Path) -> None:
    """Write config.json, tokenizer.json, tokenizer_config.json and model.safetensors into an existing directory.

    Raises:
        Unsafe: the file is no GGUF of the llama family with a byte-level BPE tokenizer.
    """
    weights: dict[str, mx.array]
    meta: dict[str, Any]
    try:
        weights, meta = mx.load(str(source), format="gguf", return_metadata=True)  # type: ignore[assignment]  # this pair, when asked for
    except (RuntimeError, ValueError) as error:
        raise Unsafe(f"{source.name} cannot be read as GGUF: {error}") from error
    if meta.get("general.architecture") != "llama" or meta.get("tokenizer.ggml.model") != "gpt2":
        raise Unsafe(f"{source.name} is not a llama model with a BPE tokenizer; give an mlx-lm directory instead")
    if unknown := _unknown(weights, meta):
        raise Unsafe(f"{source.name} would become another model: {unknown} is not converted; give an mlx-lm directory")
    config = _config(meta, tied="output.weight" not in weights)
    mx.save_safetensors(str(target / "model.safetensors"), dict(_tensors(weights, config)), {"format": "mlx"})
    _write(target / "config.json", config)
    _tokenizer(meta).save(str(target / "tokenizer.json"))
    _write(target / "tokenizer_config.json", _tokenizer_config(meta))


def _unknown(weights: Mapping[str, mx.array], meta: Mapping[str, Any]) -> str:
    """Name something that the model computes with and that the result would lack; empty where there is nothing."""
    if meta.get("tokenizer.ggml.pre") != SPLIT:
        return f"tokenizer.ggml.pre = {meta.get('tokenizer.ggml.pre')!r}"
    if meta.get("llama.rope.scaling.type", "none") != "none":
        return "llama.rope.scaling.type"
    layers = range(min(meta["llama.block_count"].item(), len(weights)))
    stems = {*OUTSIDE, *(f"blk.{layer}.{name}" for layer in layers for name in TENSORS)}
    return min(
        set(weights) - {f"{stem}.{part}" for stem in stems for part in ("weight", "scales", "biases")}, default=""
    )


def _config(meta: Mapping[str, Any], *, tied: bool) -> dict[str, Any]:
    def number(key: str) -> Any:  # noqa: ANN401 - an int or a float, as the format has it
        return meta[f"llama.{key}"].item()

    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": number("embedding_length"),
        "num_hidden_layers": number("block_count"),
        "intermediate_size": number("feed_forward_length"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
        "vocab_size": len(meta["tokenizer.ggml.tokens"]),
        "rope_theta": number("rope.freq_base"),
        "max_position_embeddings": number("context_length"),
        "tie_word_embeddings": tied,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"].item(),
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"].item(),
    }


def _tensors(weights: Mapping[str, mx.array], config: Mapping[str, Any]) -> Iterator[tuple[str, mx.array]]:
    yield "model.embed_tokens.weight", _plain(weights, "token_embd")
    yield "model.norm.weight", _plain(weights, "output_norm")
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", _plain(weights, "output")
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in TENSORS.items():
            weight = _plain(weights, f"blk.{layer}.{theirs}")
            if theirs in heads:
                weight = _unpermute(weight, heads[theirs])
            yield f"model.layers.{layer}.{ours}.weight", weight


def _plain(weights: Mapping[str, mx.array], name: str) -> mx.array:
    weight, scales = weights[f"{name}.weight"], weights.get(f"{name}.scales")
    if scales is None:
        return weight.astype(mx.float32)
    bits = weight.shape[-1] * 32 // (scales.shape[-1] * GROUP)
    return mx.dequantize(weight, scales, weights[f"{name}.biases"], group_size=GROUP, bits=bits).astype(mx.float32)


def _unpermute(weight: mx.array, heads: int) -> mx.array:
    # llama.cpp stores Q and K with the two rotary halves of every head interleaved.
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _tokenizer(meta: Mapping[str, Any]) -> Tokenizer:
    tokens = meta["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in meta["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = meta["tokenizer.ggml.token_type"].tolist()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _tokenizer_config(meta: Mapping[str, Any]) -> dict[str, Any]:
    tokens = meta["tokenizer.ggml.tokens"]
    end = tokens[meta["tokenizer.ggml.eos_token_id"].item()]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[meta["tokenizer.ggml.bos_token_id"].item()],
        "eos_token": end,
        "pad_token": end,
        "chat_template": meta.get("tokenizer.chat_template"),
        "model_max_length": meta["llama.context_length"].item(),
    }


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except Unsafe as refusal:
        sys.exit(str(refusal))
