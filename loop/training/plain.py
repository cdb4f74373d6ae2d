"""The loss of a micro-batch the plain way: whole rows, padded, through the model as mlx-lm has it.

For model families that `shared_prefix` does not reach. It is the same loss, at the price that every row's prefix is
computed again; logits still exist only where there is loss, where the model lets one apply its head by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from loop.training.masks import TrainingRow

Array = mx.array


@dataclass(frozen=True, slots=True)
class Padded:
    """Rows beside each other, each array (rows, length); `weights` is 0 where nothing is learned."""

    tokens: Array
    targets: Array
    weights: Array


def pad(rows: Sequence[TrainingRow], total: float) -> Padded:
    """Stand rows beside each other, the shorter ones padded behind, where causal attention never looks."""
    length = max(len(row.tokens) for row in rows) - 1
    tokens, targets = (np.zeros((len(rows), length), np.int32) for _ in range(2))
    weights = np.zeros((len(rows), length), np.float32)
    for index, row in enumerate(rows):
        here = len(row.loss)
        tokens[index, :here], targets[index, :here] = row.tokens[:-1], row.tokens[1:]
        weights[index, :here] = np.array(row.loss) * (row.weight / total)
    return Padded(mx.array(tokens), mx.array(targets), mx.array(weights))


def loss(model: Any, padded: Padded) -> Array:  # noqa: ANN401 - an mlx-lm model of any family
    """Compute the weighted sum of cross-entropies, as `shared_prefix.loss` does."""
    logits = model(padded.tokens).astype(mx.float32)
    each: Array = nn.losses.cross_entropy(logits, padded.targets, reduction="none")
    return (each * padded.weights).sum()


def split(step: Sequence[TrainingRow], budget: int) -> list[list[TrainingRow]]:
    """Cut a step into micro-batches of at most `budget` tokens, padding counted; a longer row stands alone."""
    parts: list[list[TrainingRow]] = []
    for row in sorted(step, key=lambda row: (len(row.tokens), row.id)):
        if parts and len(row.tokens) * (len(parts[-1]) + 1) <= budget:
            parts[-1].append(row)
        else:
            parts.append([row])
    return parts
