"""Forward and backward through a decoder, layer by layer, written out.

Automatic differentiation would do (`shared_prefix.loss` is the same function for any model), but under it nothing is
compiled, because MLX does not fuse what it traces; every intermediate is kept; and a whole step is one graph. Written
out, a layer keeps what its backward pass needs and no more, elementwise maths is fused, and several micro-batches
advance side by side, a layer at a time. It fits every model whose blocks are: norm, attention, add, norm, gated
feed-forward, add, all seven projections adapted (llama, Mistral, Qwen2, Qwen3 in mlx-lm); `fits` tells. Families with
the same parts may compute otherwise with them (Granite scales what it adds, Gemma gates with another function), so
they are known by name too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from loop.compute.cpu.elementwise import exp_negative, gated, gated_gradient, swiglu
from loop.compute.pieces import Pieces, abreast
from loop.compute.rotary import Rotations, offset
from loop.training.attention import Forest
from loop.training.prefix_tree import Packed
from loop.training.projection import Gradients, Projection
from loop.training.shared_prefix import cross_entropy, head

Array = mx.array
QKV, OUT = ("q_proj", "k_proj", "v_proj"), ("o_proj",)
GATE_UP, DOWN = ("gate_proj", "up_proj"), ("down_proj",)
ATTENTION = frozenset({*QKV, *OUT, "rope"})
NORMS = frozenset({"q_norm", "k_norm"})
BLOCK = frozenset({"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"})
FAMILIES = frozenset(f"mlx_lm.models.{name}" for name in ("llama", "qwen2", "qwen3"))
"""Modules whose models are written out here; Mistral's are llama's."""


def fits(model: Any) -> bool:  # noqa: ANN401 - an mlx-lm model of any family
    """Whether the model's blocks are the ones that this module writes out."""
    return type(model).__module__ in FAMILIES and all(_block_fits(block) for block in model.layers)


def _block_fits(block: Any) -> bool:  # noqa: ANN401 - an mlx-lm block
    if set(block) != BLOCK or getattr(block, "use_sliding", False):
        return False
    attention, feed_forward = block["self_attn"], block["mlp"]
    return (
        set(attention) - NORMS in (ATTENTION, ATTENTION - {"rope"})
        and set(feed_forward) == {*GATE_UP, *DOWN}
        and hasattr(attention, "scale")
        and all(Projection.fits(attention, names) for names in (QKV, OUT))
        and all(Projection.fits(feed_forward, names) for names in (GATE_UP, DOWN))
    )


class Block:
    """One decoder block in one optimizer step, its adapters merged where they can be."""

    def __init__(self, block: Any) -> None:  # noqa: ANN401 - as above
        """Read the block."""
        self.attention = block.self_attn
        self.norms = (block.input_layernorm, block.post_attention_layernorm)
        self.qkv, self.out = Projection(block.self_attn, QKV), Projection(block.self_attn, OUT)
        self.gate_up, self.down = Projection(block.mlp, GATE_UP), Projection(block.mlp, DOWN)

    def heads(self, offset: Array | Rotations) -> Any:  # noqa: ANN401 - a function of three arrays
        """Make the function from projections to what attention reads: split into heads, normed, rotated, grouped."""
        attention = self.attention
        kv_heads = attention.n_kv_heads

        def split(q: Array, k: Array, v: Array) -> list[Array]:
            count = q.shape[0]
            q, k, v = (
                x.reshape(count, heads, 1, -1) for x, heads in ((q, attention.n_heads), (k, kv_heads), (v, kv_heads))
            )
            if "q_norm" in attention:
                q, k = attention.q_norm(q), attention.k_norm(k)
            q, k = attention.rope(q, offset=offset), attention.rope(k, offset=offset)
            grouped = q.reshape(count, kv_heads, -1, q.shape[-1]).transpose(1, 2, 0, 3)
            return [grouped * attention.scale, k.squeeze(2).swapaxes(0, 1), v.squeeze(2).swapaxes(0, 1)]

        return split


class BackwardPass:
    """One micro-batch on its way through the model and back.

    With `recompute` (gradient checkpointing, Chen et al. 2016) it keeps each block's input and no more, and computes
    the block again on the way back.
    """

    def __init__(self, model: Any, packed: Packed, *, recompute: bool = False) -> None:  # noqa: ANN401 - as above
        """Begin at the embedding."""
        self.model, self.packed, self.recompute = model, packed, recompute
        self.forest = Forest(packed.segments)
        self.offset = offset(model, mx.array(packed.positions))
        self.hidden: Array = model.model.embed_tokens(mx.array(packed.tokens))
        self.kept: list[tuple[Array, ...]] = []

    def forward(self, block: Block) -> Pieces[None]:
        """Go one block forward, from hidden states to hidden states, (N, width)."""
        begin = self.hidden
        kept = yield from self._through(block, begin)
        self.kept.append((begin,) if self.recompute else (begin, *kept))

    def _through(self, block: Block, begin: Array) -> Pieces[tuple[Array, ...]]:
        """Compute a block; leaves its output in `hidden` and returns what its backward pass reads."""
        projected = block.qkv(block.norms[0](begin))
        yield tuple(projected)
        seen = block.heads(self.offset)(*projected)
        yield tuple(seen)
        attended, top, total = yield from self.forest.forward(*seen)
        yield (attended,)
        middle = begin + block.out(_rows(attended))[0]
        yield (middle,)
        gate, up = block.gate_up(block.norms[1](middle))
        yield gate, up
        self.hidden = middle + block.down(swiglu(gate, up))[0]
        yield (self.hidden,)
        return (*projected, *seen, attended, top, total, middle, gate, up)

    def turn(self) -> Pieces[Array]:
        """Compute the losses at the top, and the gradient of the last hidden states. Returns the losses, weighted."""
        index = mx.array(self.packed.index)
        chosen = self.hidden[index]
        normed = self.model.model.norm(chosen)
        yield (normed,)
        each, gradient = yield from cross_entropy(head(self.model), normed, self.packed)
        _, (gradient,) = mx.vjp(self.model.model.norm, [chosen], [gradient])
        self.hidden = mx.zeros_like(self.hidden).at[index].add(gradient)
        yield each, self.hidden
        return each

    def backward(self, block: Block) -> Pieces[Gradients]:
        """Go one block back; `hidden` is the gradient of its output, then of its input. Returns the adapters'."""
        d = self.hidden
        begin, *kept = self.kept.pop()
        q, k, v, *seen, attended, top, total, middle, gate, up = kept or (yield from self._through(block, begin))
        e = exp_negative(gate)
        product = gated(e, gate, up)
        yield e, product
        d_product, parts = yield from block.down.backward(product, [d])
        d_gate, d_up = gated_gradient(e, gate, up, d_product)
        yield d_gate, d_up
        d_normed, more = yield from block.gate_up.backward(block.norms[1](middle), [d_gate, d_up])
        gradients = _named("mlp", parts | more)
        _, (d_middle,) = mx.vjp(block.norms[1], [middle], [d_normed])
        d = d + d_middle
        yield (d,)
        d_attended, parts = yield from block.out.backward(_rows(attended), [d])
        d_seen = yield from self.forest.backward(seen, _grouped(d_attended, attended), (attended, top, total))
        yield tuple(d_seen)
        _, d_projected = mx.vjp(block.heads(self.offset), [q, k, v], list(d_seen))
        yield tuple(d_projected)
        d_normed, more = yield from block.qkv.backward(block.norms[0](begin), d_projected)
        _, (d_begin,) = mx.vjp(block.norms[0], [begin], [d_normed])
        self.hidden = d + d_begin
        yield (self.hidden,)
        return gradients | _named("self_attn", parts | more)


def _rows(grouped: Array) -> Array:
    """Turn (kv heads, group, N, width) into (N, heads x width)."""
    return grouped.transpose(2, 0, 1, 3).reshape(grouped.shape[2], -1)


def _grouped(rows: Array, like: Array) -> Array:
    """Turn it back."""
    heads, group, count, width = like.shape
    return rows.reshape(count, heads, group, width).transpose(1, 2, 0, 3)


def _named(module: str, gradients: Gradients) -> Gradients:
    return {f"{module}.{name}": value for name, value in gradients.items()}


def gradient(
    model: Any,  # noqa: ANN401 - as above
    parts: Sequence[Packed],
    streams: Sequence[mx.Stream],
    *,
    recompute: bool = False,
    between: Callable[[], None] = lambda: None,
) -> tuple[list[Array], Gradients]:
    """Give the losses of micro-batches that advance side by side, each on its own stream, and their sum's gradient.

    The order of the sums is fixed, so the result does not depend on which stream was ahead. `recompute` takes a third
    more time and keeps a twentieth of the memory. `between` is called between two blocks.
    """
    passes = [
        (BackwardPass(model, packed, recompute=recompute), stream)
        for packed, stream in zip(parts, streams, strict=False)
    ]
    blocks = [Block(block) for block in model.layers]
    for block in blocks:
        between()
        abreast([(one.forward(block), stream) for one, stream in passes])
    losses = abreast([(one.turn(), stream) for one, stream in passes])
    gradients: Gradients = {}
    for number in reversed(range(len(blocks))):
        between()
        for named in abreast([(one.backward(blocks[number]), stream) for one, stream in passes]):
            mine = {f"model.layers.{number}.{name}": value for name, value in named.items()}
            gradients |= {name: gradients[name] + value if name in gradients else value for name, value in mine.items()}
    return losses, gradients
