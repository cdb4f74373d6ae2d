"""Choose the next token of every row: greedy, or sampled with the row's own generator.

Each request has its own seed, and each of its tokens takes one number from its own generator: what a request gets does
not depend on who else is in the batch. Sampling inverts the distribution function, which is exact and needs one
number a token instead of one a vocabulary entry.
"""

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from loop.types import Record


class Sampling(Record):
    """How a request's tokens are chosen."""

    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Only the likeliest tokens that together have this probability."""
    seed: int = 0
    logprobs: bool = False


def generator(sampling: Sampling) -> np.random.Generator:
    """Give a request's own source of chance, the same on every platform."""
    return np.random.Generator(np.random.Philox(sampling.seed & (2**64 - 1)))


def choose(
    logits: mx.array, samplings: Sequence[Sampling], chances: Sequence[float]
) -> tuple[mx.array, mx.array | None]:
    """Choose a token a row: logits [R, V] to tokens [R], and their log-probabilities where anybody asks.

    `chances` holds each row's next number in [0, 1).
    """
    logits = logits.astype(mx.float32)
    tokens = mx.argmax(logits, axis=-1)
    if any(sampling.temperature > 0 for sampling in samplings):
        tokens = mx.where(_column([s.temperature > 0 for s in samplings]), _sampled(logits, samplings, chances), tokens)
    if not any(sampling.logprobs for sampling in samplings):
        return tokens, None
    picked = mx.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0]
    return tokens, picked - mx.logsumexp(logits, axis=-1)


def _column(values: Sequence[float] | Sequence[bool]) -> mx.array:
    return mx.array(values)


def _sampled(logits: mx.array, samplings: Sequence[Sampling], chances: Sequence[float]) -> mx.array:
    warmth = _column([sampling.temperature or 1.0 for sampling in samplings])[:, None]
    probabilities = mx.softmax(logits / warmth, axis=-1)
    if any(sampling.top_p < 1 for sampling in samplings):
        probabilities = _nucleus(probabilities, _column([sampling.top_p for sampling in samplings])[:, None])
    below = mx.cumsum(probabilities, axis=-1)
    target = _column(chances)[:, None] * below[:, -1:]
    return mx.minimum((below <= target).sum(axis=-1), logits.shape[-1] - 1).astype(mx.uint32)


def _nucleus(probabilities: mx.array, top_p: mx.array) -> mx.array:
    ascending = mx.sort(probabilities, axis=-1)
    beyond = mx.cumsum(ascending, axis=-1) <= 1 - top_p
    floor = mx.max(mx.where(beyond, ascending, -1.0), axis=-1, keepdims=True)
    return mx.where(probabilities > floor, probabilities, 0.0)
