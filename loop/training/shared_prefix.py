"""The exact loss of a micro-batch whose rows share what they begin with, and logits only where there is loss.

mlx-lm's trainer runs the tool catalogue again for every row and computes logits for every position. Here the packed
tokens of a forest (`prefix_tree`) pass the model as N sequences of one token each: every linear layer, norm and
rotary embedding of mlx-lm's own model code then works unchanged, each token at its own offset, and nothing is padded.
Only attention sees the forest: models call `scaled_dot_product_attention` by the name that their module imported,
which is where ours steps in while `stand_in` is open.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import mlx.core as mx
from mlx import nn

from loop.compute.cpu.elementwise import exp, traced_swiglu
from loop.compute.pieces import Pieces, whole
from loop.errors import ConfigError
from loop.training.attention import Forest
from loop.training.masks import TrainingRow
from loop.training.prefix_tree import Packed, pack

Array = mx.array


class ForestCache:
    """Stands where a model's layer expects its key/value cache, and does that layer's attention."""

    def __init__(self, packed: Packed) -> None:
        self.segments = packed.segments
        self.offset = mx.array(packed.positions)
        self.forest: Forest | None = None
        self.used = 0

    def update_and_fetch(self, keys: Array, values: Array) -> tuple[Array, Array]:
        """Keep nothing: all the tokens of the micro-batch are here at once."""
        return keys, values

    def make_mask(self, *_: object, window_size: int | None = None, **__: object) -> None:
        """Leave masking to the forest.

        Raises:
            ConfigError: the layer sees a window, which a forest does not have.
        """
        if window_size is not None:
            raise ConfigError("A layer with a window over its past cannot share prefixes")

    def attend(self, queries: Array, keys: Array, values: Array, scale: float) -> Array:
        """Attend. (N, heads, 1, width) in and out."""
        count, heads, _, width = queries.shape
        kv_heads = keys.shape[1]
        if self.forest is None:
            self.forest = Forest(self.segments)
        self.used += 1
        grouped = queries.reshape(count, kv_heads, heads // kv_heads, width).transpose(1, 2, 0, 3)
        flat_keys, flat_values = (side.squeeze(2).swapaxes(0, 1) for side in (keys, values))
        output = self.forest(grouped * scale, flat_keys, flat_values)
        return output.transpose(2, 0, 1, 3).reshape(count, heads, 1, width)


CHUNK_BYTES = 32 * 2**20
"""Logits that exist at one time: positions are taken in chunks, so that a large vocabulary is no cliff."""


@contextmanager
def stand_in(model: Any, *, recompute: bool = False) -> Iterator[None]:  # noqa: ANN401 - an mlx-lm model of any family
    """Let a forest do the model's attention, and fast elementwise maths its activation, until the block ends.

    With `recompute`, automatic differentiation keeps each block's input alone (`backprop` has its own way).
    """
    module = importlib.import_module(type(model).__module__)
    kept = {name: getattr(module, name) for name in ("scaled_dot_product_attention", "swiglu") if hasattr(module, name)}
    if "scaled_dot_product_attention" not in kept:
        raise ConfigError(
            f"{module.__name__} does its attention in a way that training on shared prefixes cannot reach"
        )
    original = kept["scaled_dot_product_attention"]

    def attention(queries: Array, keys: Array, values: Array, cache: Any, **settings: Any) -> Array:  # noqa: ANN401 - mlx-lm's own loose signature
        if isinstance(cache, ForestCache):
            return cache.attend(queries, keys, values, settings["scale"])
        return original(queries, keys, values, cache=cache, **settings)  # type: ignore[no-any-return]

    stands = {"scaled_dot_product_attention": attention, "swiglu": traced_swiglu}
    try:
        for name in kept:
            setattr(module, name, stands[name])
        with recomputing(model, recompute=recompute):
            yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


@contextmanager
def recomputing(model: Any, *, recompute: bool = True) -> Iterator[None]:  # noqa: ANN401 - an mlx-lm model of any family
    """Let every block keep its input alone under automatic differentiation, if `recompute` says so."""
    if not recompute:
        yield
        return
    block: Any = type(model.layers[0])
    original = block.__call__

    def call(self: Any, x: Array, *others: Any, **named: Any) -> Array:  # noqa: ANN401 - as above
        def inner(trained: Any, x: Array) -> Array:  # noqa: ANN401 - a tree of parameters
            self.update(trained)
            return original(self, x, *others, **named)  # type: ignore[no-any-return]

        return mx.checkpoint(inner)(self.trainable_parameters(), x)

    block.__call__ = call
    try:
        yield
    finally:
        block.__call__ = original


def reaches(model: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a forest can do this model's attention: it is tried on a few tokens, beside the plain model.

    A family may attend elsewhere than in `scaled_dot_product_attention`, mask by a window, or mix tokens in layers
    that are no attention, or change its logits. It is reached when the first branch of a forest gives the logits of a
    plain row.
    """
    rows = [TrainingRow(str(last), (1, 2, 3, 4, last, 5), (True,) * 5) for last in (6, 7)]
    try:
        with stand_in(model):
            cache = ForestCache(packed := pack(rows, 1, least=1))
            hidden = model.model(mx.array(packed.tokens)[:, None], cache=[cache] * len(model.layers))
            ours, plain = head(model)(hidden[:, 0]), model(mx.array(rows[0].tokens[:-1])[None])[0]
        same = mx.allclose(ours[: plain.shape[0]], plain, rtol=1e-2, atol=1e-2 * float(mx.abs(plain).max()))
        return cache.used == len(model.layers) and bool(same.item())
    except (ConfigError, AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError):
        return False


def loss(model: Any, packed: Packed) -> Array:  # noqa: ANN401 - an mlx-lm model of any family
    """Compute the weighted sum of cross-entropies of a micro-batch. Call it inside `stand_in`.

    Raises:
        ConfigError: the model's attention did not pass through the forest.
    """
    cache = ForestCache(packed)
    hidden = model.model(mx.array(packed.tokens)[:, None], cache=[cache] * len(model.layers))
    if cache.used != len(model.layers):
        raise ConfigError(
            f"{type(model).__module__}: only {cache.used} of {len(model.layers)} layers attend as expected"
        )
    chosen = hidden.squeeze(1)[mx.array(packed.index)]
    if _head_module(model).trainable_parameters():
        return _learning_cross_entropy(model, chosen, packed)
    return _traced_cross_entropy(head(model), chosen, packed)


def head(model: Any) -> Any:  # noqa: ANN401 - as above
    """Find what turns hidden states into logits."""
    return model.model.embed_tokens.as_linear if model.args.tie_word_embeddings else model.lm_head


def _head_module(model: Any) -> Any:  # noqa: ANN401 - as above
    return model.model.embed_tokens if model.args.tie_word_embeddings else model.lm_head


def _learning_cross_entropy(model: Any, hidden: Array, packed: Packed) -> Array:  # noqa: ANN401 - as above
    """Do as `cross_entropy` where the head is trained too: each chunk's logits are computed again going back."""
    apply, module = head(model), _head_module(model)

    def chunk(hidden: Array, targets: Array, weights: Array) -> Array:
        each = nn.losses.cross_entropy(apply(hidden).astype(mx.float32), targets, reduction="none")
        total: Array = (each * weights).sum()
        return total

    step = max(1, CHUNK_BYTES // (4 * model.args.vocab_size))
    total = mx.array(0.0)
    for start in range(0, hidden.shape[0], step):
        cut = slice(start, start + step)
        function: Any = nn.utils.checkpoint(
            module, partial(chunk, targets=mx.array(packed.targets[cut]), weights=mx.array(packed.weights[cut]))
        )
        total = total + function(hidden[cut])
    return total


def cross_entropy(head: Any, hidden: Array, packed: Packed) -> Pieces[tuple[Array, Array]]:  # noqa: ANN401 - as above
    """Give weight times cross-entropy of each learned position; `hidden` is (positions, width). And the gradient.

    The head is frozen, so the gradient is made in the same pass as the loss, chunk by chunk.
    """
    targets, weights = mx.array(packed.targets), mx.array(packed.weights)
    vocabulary = head(hidden[:1]).shape[-1]
    step = max(1, CHUNK_BYTES // (4 * vocabulary))
    made: list[tuple[Array, Array]] = []
    for start in range(0, hidden.shape[0], step):
        cut = slice(start, start + step)
        here = hidden[cut]
        if made:  # MLX would compute every chunk's loss first, and keep all their logits for the gradients
            here = mx.depends([here], list(made[-1]))[0]
        made.append((yield from _chunk(head, here, targets[cut], weights[cut])))
        yield made[-1]
    return mx.concatenate([layer for layer, _ in made]), mx.concatenate([gradient for _, gradient in made])


def _traced_cross_entropy(head: Any, hidden: Array, packed: Packed) -> Array:  # noqa: ANN401 - as above
    def summed(hidden: Array) -> tuple[Array, Array]:
        each, gradient = whole(cross_entropy(head, hidden, packed))
        return each.sum(), gradient

    function: Any = mx.custom_function(summed)
    function.vjp(lambda _, cotangents, outputs: cotangents[0] * outputs[1])
    total: Array = function(hidden)[0]
    return total


def _chunk(
    head: Any,  # noqa: ANN401 - as above
    hidden: Array,
    targets: Array,
    weights: Array,
) -> Pieces[tuple[Array, Array]]:
    logits = head(hidden).astype(mx.float32)
    top = logits.max(axis=-1, keepdims=True)
    p = exp(logits - top)
    total = p.sum(axis=-1, keepdims=True)
    yield p, total
    chosen = mx.take_along_axis(logits, targets[:, None], axis=-1)
    each = weights * (top + mx.log(total) - chosen).squeeze(-1)
    share = p * (weights[:, None] / total)
    share = share.at[mx.arange(targets.size), targets].subtract(weights)
    yield each, share
    _, (gradient,) = mx.vjp(head, [hidden], [share.astype(hidden.dtype)])
    return each, gradient
