"""How much memory a step will need, from shapes alone, and the largest micro-batch that fits the machine."""

import math
import os
from typing import Any, Final

import mlx.core as mx
import psutil
from mlx.utils import tree_flatten

from loop.errors import ConfigError
from loop.runtime import ceiling

SPARE: Final = 0.8
"""Share of what is free that training may take: the rest is for the sampler, the store and surprises."""
OVERHEAD: Final = 1.6
"""What a pass holds beside what it keeps: gradients of one layer, softmax pieces, freed memory not yet used again.
Measured with SmolLM2: 1.1 MB a token where the kept arrays are 0.8 MB."""
TRACED: Final = 2.5
"""What automatic differentiation keeps beside it: every intermediate. Measured with SmolLM2: 2.8 MB a token."""
USUAL: Final = 20
"""Widths that a block keeps a token where its parts have other names: 9 for attention, 2 for itself, 8 for the rest."""
LEAST: Final = 512
"""A micro-batch below this many tokens shares nothing worth the name."""


def available() -> int:
    """Bytes that may still be taken: what is free, what the GPU may keep resident (Metal), what the ceiling leaves."""
    bounds = [int(psutil.virtual_memory().available)]
    if mx.metal.is_available():
        bounds.append(int(mx.device_info()["max_recommended_working_set_size"]))
    most = ceiling.given(os.environ)
    if most is not None:
        bounds.append(most - int(mx.get_active_memory()))
    return max(0, min(bounds))


def bound_cache() -> None:
    """Let MLX keep no more freed buffers than `SPARE` leaves: on Metal it would keep all that the GPU may use."""
    mx.set_cache_limit(int((1 - SPARE) * available()))
    most = ceiling.given(os.environ)
    if most is not None:
        mx.set_memory_limit(most)


def foreseen(model: Any, tokens: int, lanes: int, *, recompute: bool = False, traced: bool = False) -> int:  # noqa: ANN401 - as below
    """Bytes that a training will hold: the model as it is loaded, and what `lanes` micro-batches need beside it."""
    each = per_token(model, recompute=recompute) * lanes * (TRACED if traced else 1)
    return int(mx.get_active_memory() + fixed(model) + tokens * each)


def per_token(model: Any, *, recompute: bool = False) -> int:  # noqa: ANN401 - an mlx-lm model
    """Bytes that one packed token keeps from its way forward until its way back.

    With `recompute` these are every block's input, and all of the one block that is computed again.
    """
    hidden, kept = _kept(model)
    if recompute:
        kept = hidden + -(-kept // len(model.layers))
    size = next(value.dtype.size for name, value in tree_flatten(model.parameters()) if name.endswith("norm.weight"))
    return int(len(model.layers) * kept * size * OVERHEAD)


def _kept(model: Any) -> tuple[int, int]:  # noqa: ANN401 - as above
    """Give a block's width, and how many numbers it keeps a token; unknown parts are taken for usual ones."""
    block = model.layers[0]
    try:
        attention, feed_forward = block.self_attn, block.mlp
        sizes = [_outputs(attention[name]) for name in ("q_proj", "k_proj", "v_proj")]
        hidden, inner = _outputs(feed_forward.down_proj), _outputs(feed_forward.gate_proj)
    except (AttributeError, KeyError):
        return int(model.args.hidden_size), USUAL * int(model.args.hidden_size)
    return hidden, 2 * sum(sizes) + sizes[0] + 2 * hidden + 2 * inner


def _outputs(layer: Any) -> int:  # noqa: ANN401 - an adapted linear layer
    return int(layer.lora_b.shape[-1] if "lora_b" in layer else layer.weight.shape[0])


def fixed(model: Any) -> int:  # noqa: ANN401 - as above
    """Bytes beside the tokens and the loaded model: merged weights, gradients and optimizer state."""
    trained = sum(value.nbytes for _, value in tree_flatten(model.trainable_parameters()))
    weights = [value for name, value in tree_flatten(model.parameters()) if name.endswith("linear.weight")]
    merged = sum(int(value.nbytes) for value in weights if value.dtype == mx.float32)
    return merged + 4 * int(trained)


def budget(model: Any, wanted: int, lanes: int, free: int, *, recompute: bool = False, traced: bool = False) -> int:  # noqa: ANN401, PLR0913 - as above; a machine's figures
    """Give the tokens that each of `lanes` micro-batches may have at once: what is wanted, or what fits.

    Raises:
        ConfigError: not even a small micro-batch fits.
    """
    each = per_token(model, recompute=recompute) * lanes * (TRACED if traced else 1)
    fits = int((free * SPARE - fixed(model)) / each)
    if fits < min(LEAST, wanted):
        need = (fixed(model) + each * LEAST) / SPARE
        raise ConfigError(
            f"Training needs {math.ceil(need / 1e9)} GB of free memory; {free / 1e9:.1f} GB are free. "
            "Close something, raise windows.memory_gib where it is set, or take a smaller base model."
        )
    return min(wanted, fits)
