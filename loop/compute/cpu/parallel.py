"""Linear layers for a few rows, a part of the outputs on each core: for float32 on MLX's CPU backend on Linux.

OpenBLAS packs a weight anew in every product, and calls its threads, unless the product is small. For the few rows of a
decoding step that takes longer than to multiply. A weight's rows in blocks are the same memory, and products with them
are small. Many rows pay for the packing: for those, and outside `Cores.taken`, a layer does what it did.

Shapes: n rows, I inputs, O outputs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import mlx.core as mx
import numpy as np
from mlx import nn

from loop.compute.cpu.blocks import of_use, small
from loop.compute.cpu.cores import on, packs_little
from loop.compute.cpu.elementwise import swiglu

ROWS: Final = {True: 32, False: 12}
"""Rows up to which products with blocks are faster, by whether small ones are not packed."""
AREA: Final = 1200
"""Outputs of a product, over all rows, up to which OpenBLAS does not pack what it multiplies by a transposed matrix."""
NARROWEST: Final = 8
"""Outputs of a block at least; where there is no such block, a layer stays what it is."""


class Cores:
    """The streams on which a model's layers compute a few rows, as long as somebody takes them."""

    def __init__(self, streams: Sequence[mx.Stream]) -> None:
        """Begin at rest; what the first stream would do is done where all else is."""
        self.streams: tuple[mx.Stream | None, ...] = (None, *streams[1:])
        self.rows = rows()
        self._working = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Describe passes for the streams, as long as the block lasts."""
        self._working = True
        try:
            yield
        finally:
            self._working = False

    def serve(self, x: mx.array) -> bool:
        """Whether they compute with [..., I] now."""
        return self._working and x.size // x.shape[-1] <= self.rows


@dataclass(frozen=True, eq=False)
class LayerPart:
    """What one core computes of a layer."""

    stream: mx.Stream | None
    blocks: mx.array
    """[B, I, width]: the layer's own weights for these outputs, where they lie."""
    bias: mx.array | None

    def of(self, pieces: Sequence[mx.array]) -> mx.array:
        """Multiply what lies in pieces side by side, [..., I] all together: [..., B * width]."""
        with on(self.stream):
            x = joined(pieces)
            product = (x.reshape(1, -1, x.shape[-1]) @ self.blocks).swapaxes(0, 1).reshape(*x.shape[:-1], -1)
            return product if self.bias is None else product + self.bias


class ColumnParallel(nn.Linear):  # type: ignore[misc]  # MLX has no types
    """Stands in for a linear layer, with its weights under their names: its columns are a weight's rows."""

    def __init__(self, linear: nn.Linear, cores: Cores, streams: Sequence[mx.Stream | None]) -> None:
        """Take over a layer that can be cut. Where the cores serve, it is computed on these streams of theirs."""
        nn.Module.__init__(self)
        self.weight, self.cores = linear.weight, cores
        if "bias" in linear:
            self.bias = linear.bias
        self.parts = tuple(self._parts(streams))

    def _parts(self, streams: Sequence[mx.Stream | None]) -> Iterator[LayerPart]:
        outputs, inputs = self.weight.shape
        wide = width(outputs, inputs)
        bounds = np.linspace(0, outputs // wide, len(streams) + 1).astype(int) * wide
        for stream, (low, high) in zip(streams, pairwise(bounds.tolist()), strict=True):
            if low < high:
                blocks = self.weight[low:high].reshape(-1, wide, inputs).swapaxes(1, 2)
                mx.eval(blocks)  # once: a step does not look for them again
                yield LayerPart(stream, blocks, self.bias[low:high] if "bias" in self else None)

    def __call__(self, x: mx.array) -> mx.array:
        """Multiply [..., I]: [..., O]."""
        return self.of([x]) if self.cores.serve(x) else super().__call__(x)

    def of(self, pieces: Sequence[mx.array]) -> mx.array:
        """Multiply what lies in pieces side by side, on the cores: each joins them for itself."""
        return joined([part.of(pieces) for part in self.parts])


class Mlp(nn.Module):  # type: ignore[misc]  # MLX has no types
    """Stands in for a gated MLP, with its weights under their names: each core gates the part that it computed."""

    def __init__(self, mlp: Any, cores: Cores) -> None:  # noqa: ANN401 - of mlx-lm's llama, qwen2 or qwen3
        """Take over an MLP whose layers can be cut."""
        super().__init__()
        self.cores = cores
        self.own: Callable[[mx.array], mx.array] = mlp.__call__
        self.gate_proj, self.up_proj, self.down_proj = (
            ColumnParallel(linear, cores, cores.streams) for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj)
        )

    def __call__(self, x: mx.array) -> mx.array:
        """Compute [..., I] from [..., I]."""
        if not self.cores.serve(x):
            return self.own(x)
        gated = []
        for gate, up in zip(self.gate_proj.parts, self.up_proj.parts, strict=True):
            with on(gate.stream):
                gated.append(swiglu(gate.of([x]), up.of([x])))
        return self.down_proj.of(gated)


def install(model: Any, streams: Sequence[mx.Stream]) -> Cores:  # noqa: ANN401 - mlx-lm's llama, qwen2 or qwen3
    """Let a model's layers be computed on streams, where that is faster here; for good, whoever asks again."""
    if not hasattr(model, "cores"):
        model.cores = Cores(streams)
        for layer in model.layers:
            _install(layer, model.cores)
    cores: Cores = model.cores
    return cores


def head(model: Any, cores: Cores) -> Callable[[mx.array], mx.array]:  # noqa: ANN401 - as above
    """Give what makes logits of hidden states, [..., I]: on the cores as well, where that is faster."""
    tied = model.args.tie_word_embeddings
    layer = model.model.embed_tokens if tied else model.lm_head
    own: Callable[[mx.array], mx.array] = layer.as_linear if tied else layer
    return ColumnParallel(layer, cores, cores.streams) if _can_be_cut(layer) else own


def _install(layer: Any, cores: Cores) -> None:  # noqa: ANN401 - a model's block
    mlp, attention = layer.mlp, layer.self_attn
    if all(map(_can_be_cut, (mlp.gate_proj, mlp.up_proj, mlp.down_proj))):
        layer.mlp = Mlp(mlp, cores)
    first, last = cores.streams[:1], cores.streams[-1:]
    # Queries are computed beside keys and values: nobody waits in between.
    for name, streams in {"q_proj": first, "k_proj": last, "v_proj": last, "o_proj": cores.streams}.items():
        if _can_be_cut(attention[name]):
            attention[name] = ColumnParallel(attention[name], cores, streams)


def _can_be_cut(layer: nn.Module) -> bool:
    """Whether its weights are plain numbers, of a type and a shape for it."""
    return type(layer) in (nn.Linear, nn.Embedding) and of_use(layer.weight.dtype) and width(*layer.weight.shape) > 0


def rows() -> int:
    """Say up to how many rows products with blocks are faster here."""
    return ROWS[packs_little()]


def width(outputs: int, inputs: int) -> int:
    """Give the width of the widest blocks that all outputs can be cut into; 0 where there are none."""
    most = min(AREA // rows(), small() // (rows() * inputs))
    return next((width for width in range(most, NARROWEST - 1, -1) if outputs % width == 0), 0)


def joined(pieces: Sequence[mx.array]) -> mx.array:
    """Put pieces side by side."""
    return pieces[0] if len(pieces) == 1 else mx.concatenate(list(pieces), axis=-1)
