"""Choose the next token of every row: greedy, or sampled with the row's own generator.

Each request has its own seed, and each of its tokens takes one number from its own generator: what a request gets does
not depend on who else is in the batch. Sampling inverts the distribution function, which is exact and needs one
number a token instead of one a vocabulary entry.
"""

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from loop.compute.cpu.elementwise import exp
from loop.types import Record


class SamplingParams(Record):
    """How a request's tokens are chosen."""

    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Only the likeliest tokens that together have this probability."""
    seed: int = 0
    logprobs: bool = False


def generator(sampling: SamplingParams) -> np.random.Generator:
    """Give a request's own source of chance, the same on every platform."""
    return np.random.Generator(np.random.Philox(sampling.seed & (2**64 - 1)))


def choose(
    logits: mx.array, samplings: Sequence[SamplingParams], chances: Sequence[float]
) -> tuple[list[int], list[float]]:
    """Choose a token a row from logits [R, V]; also its log-probability, where anybody asks (else 0).

    `chances` holds each row's next number in [0, 1).
    """
    logits = logits.astype(mx.float32)
    tokens = mx.argmax(logits, axis=-1)
    if any(sampling.temperature > 0 for sampling in samplings):
        warm = mx.array([sampling.temperature > 0 for sampling in samplings])
        tokens = mx.where(warm, sampled(logits, samplings, chances), tokens)
    scores = mx.zeros(tokens.shape)
    if any(sampling.logprobs for sampling in samplings):
        picked = mx.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0]
        scores = picked - mx.logsumexp(logits, axis=-1)
    mx.eval(tokens, scores)
    return [int(token) for token in np.array(tokens)], [float(score) for score in np.array(scores)]


def sampled(logits: mx.array, samplings: Sequence[SamplingParams], chances: Sequence[float]) -> mx.array:
    """Sample a token a row from logits [R, V] by inverting the distribution function at each row's chance."""
    warmth = mx.array([sampling.temperature or 1.0 for sampling in samplings])[:, None]
    scaled = logits / warmth
    probabilities = exp(scaled - scaled.max(axis=-1, keepdims=True))
    if any(sampling.top_p < 1 for sampling in samplings):
        probabilities = _nucleus(probabilities, mx.array([sampling.top_p for sampling in samplings])[:, None])
    below = mx.cumsum(probabilities, axis=-1)
    target = mx.array(list(chances))[:, None] * below[:, -1:]
    return mx.minimum((below <= target).sum(axis=-1), logits.shape[-1] - 1).astype(mx.uint32)


def _nucleus(probabilities: mx.array, top_p: mx.array) -> mx.array:
    ascending = mx.sort(probabilities, axis=-1)
    beyond = mx.cumsum(ascending, axis=-1) <= (1 - top_p) * ascending.sum(axis=-1, keepdims=True)
    floor = mx.max(mx.where(beyond, ascending, -1.0), axis=-1, keepdims=True)
    return mx.where(probabilities > floor, probabilities, 0.0)
