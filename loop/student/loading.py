"""Load a policy's model: the base, its adapter merged in, in the number type that is fast here."""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model

from loop import registry
from loop.errors import ConfigError, Unsafe


def number_type() -> mx.Dtype:
    """Give bfloat16 on Metal, and float32 on a CPU, where MLX multiplies other types 40 times slower."""
    return mx.bfloat16 if mx.metal.is_available() else mx.float32


def load(base: Path, adapter: Path | None = None) -> Any:  # noqa: ANN401 - an mlx-lm model
    """Load a base model and merge an adapter into it.

    Raises:
        ConfigError: the directory holds no model that mlx-lm knows.
        NotFound: there is no such adapter.
        Unsafe: the adapter was changed since it was published, or does not fit the model.
    """
    try:
        model, _ = load_model(base, lazy=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{base} is no model that can be loaded: {error}") from error
    model.set_dtype(number_type())
    if adapter is not None:
        _adapt(model, adapter)
    model.eval()
    mx.eval(model.parameters())
    return model


def _adapt(model: Any, adapter: Path) -> None:  # noqa: ANN401 - an mlx-lm model
    registry.verify(adapter)
    try:
        load_adapters(model, str(adapter))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise Unsafe(f"The adapter {adapter} does not fit the model: {error}") from error
    if not quantized(model):  # merging into quantized weights would round the adapter away
        merged = [(name, module.fuse()) for name, module in model.named_modules() if hasattr(module, "fuse")]
        model.update_modules(tree_unflatten(merged))


def quantized(model: Any) -> bool:  # noqa: ANN401 - an mlx-lm model
    """Whether any weight is quantized."""
    return any(name.endswith(".scales") for name, _ in tree_flatten(model.parameters()))
