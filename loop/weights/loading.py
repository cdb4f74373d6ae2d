"""Load a policy's model: the base, its adapter merged in, in the number type that is fast here."""

from pathlib import Path
from typing import Any, Final

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model

from loop.errors import ConfigError, Unsafe
from loop.types import Precision
from loop.weights import adapters, base_models

GROUP: Final = 64
"""Weights that share a scale."""
BITS: Final = {Precision.EIGHT: 8, Precision.FOUR: 4}


def number_type() -> mx.Dtype:
    """Give bfloat16 on Metal, and float32 on a CPU, where MLX multiplies other types 40 times slower."""
    return mx.bfloat16 if mx.metal.is_available() else mx.float32


def load(base: Path, adapter: Path | None = None, precision: Precision = Precision.BASE) -> Any:  # noqa: ANN401 - an mlx-lm model
    """Load a base model, merge an adapter into it, and round the result where a lower precision is asked for.

    Raises:
        ConfigError: the directory holds no model that mlx-lm knows.
        NotFound: there is no such adapter.
        Unsafe: the adapter was changed since it was published, or does not fit the model.
    """
    try:
        model, _ = load_model(base, lazy=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{base} cannot be loaded as a model: {error}") from error
    model.set_dtype(number_type())
    if adapter is not None:
        _adapt(model, adapter, base)
    if precision is not Precision.BASE:
        _round(model, precision, base)
    model.eval()
    mx.eval(model.parameters())
    return model


def _adapt(model: Any, adapter: Path, base: Path) -> None:  # noqa: ANN401 - an mlx-lm model
    adapters.verify(adapter, base_models.known_digest(base))
    try:
        load_adapters(model, str(adapter))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise Unsafe(f"The adapter {adapter} does not fit the model: {error}") from error
    if not quantized(model):  # merging into quantized weights would round the adapter away
        merged = [(name, module.fuse()) for name, module in model.named_modules() if hasattr(module, "fuse")]
        if not all(bool(mx.isfinite(module.weight).all()) for _, module in merged):
            raise Unsafe(f"The adapter {adapter} produces weights that are NaN or infinite. Take another model.")
        model.update_modules(tree_unflatten(merged))


def _round(model: Any, precision: Precision, base: Path) -> None:  # noqa: ANN401 - as above
    """Quantize what can be, as mlx-lm's own conversion does: affine, in groups of 64."""
    if quantized(model):
        raise ConfigError(f"{base} is already quantized. Name an unquantized base, or propose --precision base.")

    def fits(_: str, module: Any) -> bool:  # noqa: ANN401 - as above
        return hasattr(module, "to_quantized") and module.weight.shape[-1] % GROUP == 0

    nn.quantize(model, group_size=GROUP, bits=BITS[precision], class_predicate=fits)


def quantized(model: Any) -> bool:  # noqa: ANN401 - an mlx-lm model
    """Whether any weight is quantized."""
    return any(name.endswith(".scales") for name, _ in tree_flatten(model.parameters()))
