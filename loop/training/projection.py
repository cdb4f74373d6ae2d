"""Adapted linear layers that read the same input, as one matrix product forward and one back.

A low-rank adapter adds three small products and two passes over the output to every layer, forward and again back.
In float32 its product is added to the frozen weight once a step instead: W + s (A B)^T is what the layer computes, to
rounding. Where that would round the adapter away (bfloat16) or is impossible (quantized), the layer runs as it stands.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from loop.compute.pieces import Pieces

Array = mx.array
Gradients = dict[str, Array]


class Projection:
    """The linear layers `names` of one parent module, for one optimizer step. Inputs are (N, width)."""

    def __init__(self, parent: Any, names: Sequence[str]) -> None:  # noqa: ANN401 - an mlx-lm module
        """Read the layers, and merge them if they can be."""
        self.names = tuple(names)
        self.layers = [parent[name] for name in names]
        self.cuts = [layer.lora_b.shape[1] for layer in self.layers]
        self.merged = all(_mergeable(layer) for layer in self.layers)
        if self.merged:
            self.weight = mx.concatenate([_effective(layer) for layer in self.layers])
            biases = [layer.linear.bias for layer in self.layers if "bias" in layer.linear]
            self.bias = mx.concatenate(biases) if len(biases) == len(self.layers) else None

    @staticmethod
    def fits(parent: Any, names: Sequence[str]) -> bool:  # noqa: ANN401 - as above
        """Whether all the layers carry a plain adapter, and all or none a bias."""
        layers = [parent.get(name) for name in names]
        adapted = all(layer is not None and "lora_a" in layer and "linear" in layer for layer in layers)
        return adapted and len({"bias" in layer["linear"] for layer in layers}) == 1

    def __call__(self, x: Array) -> list[Array]:
        """Apply every layer; one output each."""
        if not self.merged:
            return [layer(x) for layer in self.layers]
        y = x @ self.weight.T
        return self._split(y if self.bias is None else y + self.bias)

    def backward(self, x: Array, gradients: Sequence[Array]) -> Pieces[tuple[Array, Gradients]]:
        """Return the gradient of the input, and those of the adapters by name."""
        if not self.merged:
            return self._backward_as_it_stands(x, gradients)
        d_input = self._join(gradients) @ self.weight
        yield (d_input,)
        inner = [d @ layer.lora_b.T for d, layer in zip(gradients, self.layers, strict=True)]
        down = x.T @ mx.concatenate(inner, axis=1)
        up = x @ mx.concatenate([layer.lora_a for layer in self.layers], axis=1)
        yield down, up
        found_gradients: Gradients = {}
        start = 0
        for name, layer, d in zip(self.names, self.layers, gradients, strict=True):
            here = slice(start, start := start + layer.lora_a.shape[1])
            found_gradients[f"{name}.lora_a"] = layer.scale * down[:, here]
            found_gradients[f"{name}.lora_b"] = layer.scale * (up[:, here].T @ d)
        yield tuple(found_gradients.values())
        return d_input, found_gradients

    def _backward_as_it_stands(self, x: Array, gradients: Sequence[Array]) -> tuple[Array, Gradients]:
        total = mx.zeros_like(x)
        own: Gradients = {}
        for name, layer, d in zip(self.names, self.layers, gradients, strict=True):
            _, (dx, da, db) = mx.vjp(_plain(layer), [x, layer.lora_a, layer.lora_b], [d])
            total = total + dx
            own |= {f"{name}.lora_a": da, f"{name}.lora_b": db}
        return total, own

    def _split(self, y: Array) -> list[Array]:
        ends = [sum(self.cuts[: index + 1]) for index in range(len(self.cuts))]
        return [y[:, end - cut : end] for cut, end in zip(self.cuts, ends, strict=True)]

    def _join(self, gradients: Sequence[Array]) -> Array:
        return gradients[0] if len(gradients) == 1 else mx.concatenate(list(gradients), axis=1)


def _mergeable(layer: Any) -> bool:  # noqa: ANN401 - as above
    return "scales" not in layer.linear and layer.linear.weight.dtype == mx.float32


def _effective(layer: Any) -> Array:  # noqa: ANN401 - as above
    merged: Array = mx.addmm(layer.linear.weight, layer.lora_b.T, layer.lora_a.T, alpha=layer.scale)
    return merged


def _plain(layer: Any) -> Any:  # noqa: ANN401 - as above
    def run(x: Array, a: Array, b: Array) -> Array:
        return layer.linear(x) + (layer.scale * ((x @ a) @ b)).astype(x.dtype)  # type: ignore[no-any-return]

    return run
