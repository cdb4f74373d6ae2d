"""The rotary embedding of a flat batch, its cosines and sines worked out once a pass and not in every layer.

MLX's CPU backend takes some fifteen small operations for one rotary embedding, and a pass needs two in each layer, all
of the same positions. An embedding is linear: what it makes of ones and noughts are its cosines and sines, whatever
its frequencies and scales are. On Metal it is one kernel, and MLX's own is used.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import mlx.core as mx

from loop.compute.cpu.elementwise import slow_exp

PROBED: Final = (0, 1, 17, 4000)
"""Positions at which ours is compared with the model's own before it is used."""
Rope = Callable[..., mx.array]


class Rotations(NamedTuple):
    """How a pass's N tokens are turned: [N, 1, 1, D / 2] each."""

    cos: mx.array
    sin: mx.array


class Rotary:
    """Stands in for a model's embedding, where all layers have the same."""

    def __init__(self, rope: Rope, size: int) -> None:
        """Take the model's own, and the size of a head."""
        self.rope, self.half = rope, size // 2

    def turns(self, positions: mx.array) -> Rotations:
        """Work out the cosines and sines of positions, [N]."""
        shape = (len(positions), 1, 1, self.half)
        probe = mx.concatenate([mx.ones(shape), mx.zeros(shape)], axis=-1)
        return Rotations(*mx.split(self.rope(probe, offset=positions), 2, axis=-1))

    def __call__(self, x: mx.array, offset: int | mx.array | Rotations = 0) -> mx.array:
        """Turn a pass's queries or keys, [N, heads, 1, D]; all else is turned by the model's own."""
        if not isinstance(offset, Rotations):
            return self.rope(x, offset=offset)
        return mx.concatenate(_turned(x[..., : self.half], x[..., self.half :], *offset), axis=-1)


@mx.compile
def _turned(first: mx.array, second: mx.array, cos: mx.array, sin: mx.array) -> list[mx.array]:
    return [first * cos - second * sin, first * sin + second * cos]


def share_turns(model: Any) -> None:  # noqa: ANN401 - a model of mlx-lm's llama, qwen2 or qwen3
    """Let all layers of a model share one embedding, where MLX's own is slow and ours gives the same."""
    args, layers = model.args, [layer.self_attn for layer in model.layers]
    if not slow_exp() or model.model.norm.weight.dtype != mx.float32 or isinstance(layers[0].rope, Rotary):
        return
    size = getattr(args, "head_dim", None) or args.hidden_size // args.num_attention_heads
    shared = Rotary(layers[0].rope, size)
    x, positions = mx.random.normal((len(PROBED), 1, 1, size), key=mx.random.key(0)), mx.array(PROBED)
    ours = shared(x, shared.turns(positions))
    if all(mx.allclose(layer.rope(x, offset=positions), ours, atol=1e-6).item() for layer in layers):
        for layer in layers:
            layer.rope = shared


def offset(model: Any, positions: mx.array) -> mx.array | Rotations:  # noqa: ANN401 - as above
    """Give what a pass through the model hands to its embeddings: positions, [N], or what they share of them."""
    rope = model.layers[0].self_attn.rope
    return rope.turns(positions) if isinstance(rope, Rotary) else positions
