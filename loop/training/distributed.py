"""Training on several machines: each takes a share of every step's rows, and the gradients are summed.

`mlx.launch` starts one trainer a rank (`mlx.core.distributed` finds the others); alone there is one rank and nothing
changes. The losses are weighed by the whole step, so that the sum over ranks is the gradient of one machine.
Rank 0 alone keeps checkpoints, tells, and writes the adapter.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx.nn.utils import average_gradients
from mlx.utils import tree_map

from loop.training.masks import TrainingRow


class Ranks:
    """The machines that train together."""

    def __init__(self) -> None:
        """Find the others, if `mlx.launch` started this process."""
        self.group = mx.distributed.init()
        self.rank, self.count = int(self.group.rank()), int(self.group.size())

    def share(self, rows: Sequence[TrainingRow]) -> list[TrainingRow]:
        """Give this rank's rows of a step; rows that begin alike stay together."""
        ordered = sorted(rows, key=lambda row: (row.tokens, row.id))
        start, stop = (len(rows) * rank // self.count for rank in (self.rank, self.rank + 1))
        return ordered[start:stop]

    def sum(self, loss: mx.array, gradient: Any) -> tuple[mx.array, Any]:  # noqa: ANN401 - a tree of arrays
        """Add up what all ranks found."""
        if self.count == 1:
            return loss, gradient
        mean = average_gradients(gradient, self.group)
        return self._sum(loss), tree_map(lambda array: array * self.count, mean)

    def first(self, tree: Any) -> Any:  # noqa: ANN401 - as above
        """Give every rank what rank 0 has."""
        if self.count == 1:
            return tree
        return tree_map(lambda array: self._sum(array if self.rank == 0 else mx.zeros_like(array)), tree)

    def agreed(self, number: float) -> float:
        """Give rank 0's number to all: machines round differently, and must stop at the same step."""
        value: Any = self.first(mx.array(number)).item()
        return float(value)

    def _sum(self, array: mx.array) -> mx.array:
        summed: mx.array = mx.distributed.all_sum(array, group=self.group, stream=mx.cpu)
        return summed
