"""Reading a long text in parts that go through the model side by side, a core each.

A part needs of those before it, in each layer, their keys and values and nothing else. So all parts can be in the
model at once, each half a block behind the one before it. Where there is one stream, as on Metal, the parts follow
each other.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import mlx.core as mx

from loop.compute.cpu.cores import shared_among, streams
from loop.compute.pieces import Pieces, abreast

AT_ONCE: Final = 512
"""Tokens that are in the model at a time, over all parts."""


class ParallelReader:
    """Reads texts with a model of a family that `attention.known` names, from one thread."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - an mlx-lm model
        """Open the streams."""
        self.model, self.streams = model, streams()

    def read(self, tokens: Sequence[int], caches: Sequence[Any]) -> None:
        """Append the tokens' keys and values to the layers' caches."""
        with shared_among(self.streams):
            for first in range(0, len(tokens), AT_ONCE):
                parts = zip(self._cut(tokens[first : first + AT_ONCE]), self.streams, strict=False)
                abreast([(self._through(part, caches), stream) for part, stream in parts])
                mx.eval([(cache.keys, cache.values) for cache in caches])

    def _cut(self, tokens: Sequence[int]) -> Iterator[Sequence[int]]:
        """Cut into equal parts, one a stream."""
        size = -(-len(tokens) // len(self.streams))
        return (tokens[first : first + size] for first in range(0, len(tokens), size))

    def _through(self, tokens: Sequence[int], caches: Sequence[Any]) -> Pieces[None]:
        """Take a part through all blocks. The parts before it have been through each of them already."""
        hidden = self.model.model.embed_tokens(mx.array([tokens]))
        for block, cache in zip(self.model.layers, caches, strict=True):
            hidden = hidden + block.self_attn(block.input_layernorm(hidden), "causal", cache=cache)
            yield (hidden,)
            hidden = hidden + block.mlp(block.post_attention_layernorm(hidden))
            yield (hidden,)
