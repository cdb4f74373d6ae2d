"""Several adapters over one base: a token goes through the base's weights, and through its own policy's beside them.

An adapter is two thin matrices beside a weight (LoRA, arXiv 2106.09685). Left beside it, and not merged into it, one
base serves all of them in the same pass (S-LoRA, arXiv 2311.03285), for a few per cent of the base's memory each.
Merged, a policy's weights are rounded once more, so that answers are the same but for what rounding decides.

Shapes: N tokens, I inputs, O outputs, rank r.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

from loop.canonical import NotJson
from loop.canonical import parse as parse_json
from loop.errors import Unsafe
from loop.weights import adapters, base_models

BASE: Final = ""
"""The name of the base alone."""
HALVES: Final = (".lora_a", ".lora_b")
PLAIN: Final = "lora"
"""The kind of adapter that can lie beside a weight: others change the weight itself."""


class AdapterSpan(NamedTuple):
    """Tokens of a pass that belong to one adapter."""

    adapter: str
    first: int
    end: int


class Thin(NamedTuple):
    """What an adapter adds to a weight."""

    a: mx.array
    """[I, r]"""
    b: mx.array
    """[r, O], scaled already."""

    def of(self, x: mx.array) -> mx.array:
        """Multiply [..., I]: [..., O]."""
        return (x @ self.a) @ self.b


class Adapters:
    """The adapters that a model answers with, by name, and whose tokens are in the model now."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - an mlx-lm model
        """Begin with the base alone.

        Args:
            model: not one that an engine has taken over.
        """
        self._model = model
        self._thin: dict[str, dict[str, Thin]] = {BASE: {}}
        self._now: Sequence[AdapterSpan] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the base's included."""
        return tuple(self._thin)

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return sum(half.nbytes for mine in self._thin.values() for thin in mine.values() for half in thin)

    def add(self, name: str, directory: Path, base: Path) -> None:
        """Lay a published adapter beside the base's weights.

        Raises:
            NotFound: there is none.
            Unsafe: it was changed, was made for another base, is of another kind, or does not fit the model.
        """
        adapters.verify(directory, base_models.known_digest(base))
        scale = _scale(directory)
        halves = mx.load(str(directory / adapters.WEIGHTS))
        assert isinstance(halves, dict)
        layers = dict(self._model.named_modules())
        dtype = next(leaf.dtype for _, leaf in tree_flatten(self._model.parameters()) if leaf.dtype != mx.uint32)
        paths = {path.removesuffix(half) for path in halves for half in HALVES}
        mine = {path: _thin(path, layers, halves, scale, dtype) for path in sorted(paths - set(halves))}
        mx.eval([half for thin in mine.values() for half in thin])
        self._model.update_modules(
            tree_unflatten([
                (path, Adapted(layers[path], path, self)) for path in mine if not isinstance(layers[path], Adapted)
            ])
        )  # fmt: skip
        self._thin[name] = mine

    @contextmanager
    def taken(self, spans: Sequence[AdapterSpan]) -> Iterator[None]:
        """Compute with these for the tokens of a pass, as long as the block lasts; one span is for all tokens."""
        self._now = spans
        try:
            yield
        finally:
            self._now = ()

    def beside(self, path: str) -> list[tuple[Thin | None, slice]]:
        """Say what this pass's tokens need beside a weight; nothing where the weight is all."""
        pairs = [(self._thin[span.adapter].get(path), slice(span.first, span.end)) for span in self._now]
        return pairs if any(thin for thin, _ in pairs) else []


class Adapted(nn.Module):  # type: ignore[misc]  # MLX has no types
    """Stands in for a linear layer that adapters lie beside."""

    def __init__(self, linear: nn.Module, path: str, seated: Adapters) -> None:
        """Take over a layer."""
        super().__init__()
        self.linear, self.path, self.seated = linear, path, seated

    def __call__(self, x: mx.array) -> mx.array:
        """Multiply [N, ..., I]: [N, ..., O], each token with its own adapter."""
        y: mx.array = self.linear(x)
        beside = self.seated.beside(self.path)
        if not beside:
            return y
        if len(beside) == 1 and (alone := beside[0][0]):  # a sequence that is read has its tokens on another axis
            return y + alone.of(x)
        return mx.concatenate([y[mine] + thin.of(x[mine]) if thin else y[mine] for thin, mine in beside])


def spans(owners: Sequence[tuple[str, int]]) -> tuple[AdapterSpan, ...]:
    """Join tokens of one adapter that follow each other; (adapter, how many tokens) in the order of the pass."""
    joined: list[AdapterSpan] = []
    at = 0
    for adapter, count in owners:
        first = joined.pop().first if joined and joined[-1].adapter == adapter else at
        at += count
        joined.append(AdapterSpan(adapter, first, at))
    return tuple(joined)


def _scale(directory: Path) -> float:
    try:
        document = parse_json((directory / adapters.SETTINGS).read_bytes())
    except (OSError, NotJson) as error:
        raise Unsafe(f"{directory / adapters.SETTINGS} cannot be read: {error}") from error
    kind = document.get("fine_tune_type", PLAIN) if isinstance(document, dict) else None
    settings = document.get("lora_parameters") if isinstance(document, dict) else None
    scale = settings.get("scale") if isinstance(settings, dict) else None
    if kind != PLAIN or not isinstance(scale, int | float):
        raise Unsafe(f"The adapter {directory} is not a LoRA adapter that can share a base model. Serve it alone.")
    return float(scale)


def _thin(
    path: str, layers: Mapping[str, nn.Module], halves: Mapping[str, mx.array], scale: float, dtype: mx.Dtype
) -> Thin:
    layer = layers.get(path)
    linear = layer.linear if isinstance(layer, Adapted) else layer
    a, b = (halves.get(f"{path}{half}") for half in HALVES)
    if a is None or b is None or not isinstance(linear, nn.Linear | nn.QuantizedLinear):
        raise Unsafe(
            f"The adapter does not fit the model: {path} is not one of its linear layers, or half of it is missing."
        )
    inputs, outputs = _sizes(linear)
    if a.shape[:1] + b.shape[1:] != (inputs, outputs) or a.shape[1:] != b.shape[:1]:
        raise Unsafe(f"The adapter does not fit the model: {path} has another size.")
    return Thin(a.astype(dtype), (b * scale).astype(dtype))


def _sizes(linear: Any) -> tuple[int, int]:  # noqa: ANN401 - of either kind
    """Give I and O."""
    outputs, inputs = linear.weight.shape
    return inputs * (32 // linear.bits if isinstance(linear, nn.QuantizedLinear) else 1), outputs
