"""A tiny random model with a small tokenizer: a fake student for tests and for the daemon's fast rounds.

It says nothing sensible, but it is a real mlx-lm directory: it loads, serves, trains and is gated in seconds. It is
the same on every platform: weights from a counted generator, a tokenizer of bytes and whole words.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from loop.templates.turns import CHATML
from loop.weights.base_models import publish

Family = Literal["llama", "qwen2", "qwen3"]
HIDDEN: Final = 64
LAYERS: Final = 2
HEADS: Final = 4
KV_HEADS: Final = 2
HEAD_DIM: Final = 16
INTERMEDIATE: Final = 128
WORDS: Final = (
    "system", "user", "assistant", "tool", "Tools", "name", "arguments", "string", "integer", "number", "boolean",
    "Done", "the", "a", "file", "folder", "directory", "to", "of", "and", "in", "Move", "Create", "result", "error",
)  # fmt: skip
"""Words with a token of their own, so that a prompt is not one token a byte."""


def tiny(models_dir: Path, family: Family = "llama", *, stops: bool = True, seed: int = 0) -> Path:
    """Write the model's directory at the first call, and give it.

    Args:
        models_dir: where model directories lie.
        family: which architecture it has the shape of.
        stops: whether it likes to end its turn: at temperature 1 about every eighth token. Otherwise hardly ever.
        seed: for the weights.

    Raises:
        CannotCreate: the directory cannot be written.
    """
    target = models_dir / f"tiny-{family}{'' if stops else '-endless'}-{seed}"
    if target.is_dir():
        return target
    return publish(target, lambda directory: _write(directory, family, stops=stops, seed=seed), source="tiny")


def _write(directory: Path, family: Family, *, stops: bool, seed: int) -> None:
    tokenizer = _tokenizer()
    vocabulary = tokenizer.get_vocab_size()
    end = int(tokenizer.token_to_id(CHATML.end) or 0)
    tokenizer.save(str(directory / "tokenizer.json"))
    save_file(
        _weights(family, vocabulary, end if stops else None, seed), directory / "model.safetensors", {"format": "mlx"}
    )
    _json(directory / "config.json", _config(family, vocabulary, end))
    special = {"bos_token": CHATML.start, "eos_token": CHATML.end, "pad_token": CHATML.end}
    _json(directory / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})


def _tokenizer() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [form for word in WORDS for form in (word, f"Ġ{word}")]
    merges, pieces = _merges(words)
    vocabulary = {token: index for index, token in enumerate([CHATML.start, CHATML.end, *letters, *pieces])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CHATML.special])
    return tokenizer


def _merges(words: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Build every word letter by letter: a merge for each of its beginnings."""
    steps = {
        word[:length]: (word[: length - 1], word[length - 1]) for word in words for length in range(2, len(word) + 1)
    }
    return list(steps.values()), list(steps)


def _config(family: Family, vocabulary: int, end: int) -> dict[str, Any]:
    return {
        "model_type": family,
        "architectures": [f"{family.capitalize()}ForCausalLM"],
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INTERMEDIATE,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "rope_theta": 10000.0,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": False,
        "eos_token_id": end,
    }


def _weights(family: Family, vocabulary: int, end: int | None, seed: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.Generator(np.random.PCG64(seed))

    def draw(rows: int, columns: int) -> NDArray[np.float32]:
        drawn: NDArray[np.float32] = (random.standard_normal((rows, columns)) * columns**-0.5).astype(np.float32)
        return drawn

    weights = {"model.embed_tokens.weight": draw(vocabulary, HIDDEN) * 8, "model.norm.weight": _ones(HIDDEN)}
    for layer in range(LAYERS):
        weights |= {f"model.layers.{layer}.{name}": value for name, value in _layer(family, draw).items()}
    weights["lm_head.weight"] = draw(vocabulary, HIDDEN) * 2
    _lean(weights, end)
    return weights


def _layer(family: Family, draw: Any) -> dict[str, NDArray[np.float32]]:  # noqa: ANN401 - a local function
    norms = {"self_attn.q_norm.weight": _ones(HEAD_DIM), "self_attn.k_norm.weight": _ones(HEAD_DIM)}
    layer = {
        "self_attn.q_proj.weight": draw(HEADS * HEAD_DIM, HIDDEN),
        "self_attn.k_proj.weight": draw(KV_HEADS * HEAD_DIM, HIDDEN),
        "self_attn.v_proj.weight": draw(KV_HEADS * HEAD_DIM, HIDDEN),
        "self_attn.o_proj.weight": draw(HIDDEN, HEADS * HEAD_DIM),
        "mlp.gate_proj.weight": draw(INTERMEDIATE, HIDDEN),
        "mlp.up_proj.weight": draw(INTERMEDIATE, HIDDEN),
        "mlp.down_proj.weight": draw(HIDDEN, INTERMEDIATE),
        "input_layernorm.weight": _ones(HIDDEN),
        "post_attention_layernorm.weight": _ones(HIDDEN),
        **(norms if family == "qwen3" else {}),
    }
    if family == "qwen2":
        sizes = {"q": HEADS * HEAD_DIM, "k": KV_HEADS * HEAD_DIM, "v": KV_HEADS * HEAD_DIM}
        layer |= {f"self_attn.{name}_proj.bias": draw(1, size)[0] for name, size in sizes.items()}
    return layer


def _lean(weights: dict[str, NDArray[np.float32]], end: int | None) -> None:
    # A constant first coordinate works as the bias that the head lacks: towards the end of the turn, or away from it.
    weights["model.embed_tokens.weight"][:, 0] = 8.0
    weights["lm_head.weight"][:, 0] = 0.0
    weights["lm_head.weight"][0, 0] = -8.0
    weights["lm_head.weight"][1 if end is None else end, 0] = -8.0 if end is None else 1.0


def _ones(size: int) -> NDArray[np.float32]:
    return np.ones(size, dtype=np.float32)


def _json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
