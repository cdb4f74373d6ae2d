"""Micro-batches side by side: one stream, and so one core, for each.

On a CPU, two micro-batches on two streams keep two cores busy (`loop.compute.cpu.cores` says why). Metal has one.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_map, tree_unflatten

from loop.compute.cpu.cores import cores, set_blas_threads, streams
from loop.runtime.gpu_turn import GpuTurn
from loop.training import backprop, plain, shared_prefix
from loop.training.prefix_tree import Packed


class Lanes:
    """Computes the gradient of a step, micro-batches spread over streams."""

    def __init__(self, count: int | None = None, *, recompute: bool = False, turn: GpuTurn | None = None) -> None:
        """Open the lanes; None takes one per core, at most four, and one on Metal.

        Args:
            count: lanes.
            recompute: gradient checkpointing: keep each block's input alone, and compute the block again going back.
            turn: when it may compute; None where the machine is this process's own.
        """
        self.turn = turn or GpuTurn(None)
        self.recompute = recompute
        self.streams = streams(count)
        self.count = len(self.streams)
        set_blas_threads(max(1, cores() // self.count))

    def gradient(self, model: Any, parts: Sequence[Any]) -> tuple[mx.array, dict[str, Any], list[mx.array]]:  # noqa: ANN401 - an mlx-lm model
        """Sum loss and gradient over the micro-batches of a step, in their order: the same sum whatever ran first.

        The third are the weighted losses of each micro-batch's learned positions, where `backprop` computes them.

        Call it inside `shared_prefix.stand_in`, told the same `recompute`. At most `count` micro-batches are in memory
        at a time.
        They are `Packed`, or `plain.Padded`.
        """
        written_out = backprop.fits(model)
        totals: list[tuple[mx.array, Any]] = []
        each: list[mx.array] = []
        for start in range(0, len(parts), self.count):
            self.between()
            batch = parts[start : start + self.count]
            if written_out:
                losses, gradients = backprop.gradient(
                    model, batch, self.streams, recompute=self.recompute, between=self.between
                )
                made, each = [(_sum(losses), gradients)], each + losses
            else:
                made = self._traced(model, batch)
            totals = [reduce(_add, [*totals, *made])]
            mx.eval(totals, each)
        loss, gradient = totals[0]
        return loss, gradient if not written_out else tree_unflatten(list(gradient.items())), each

    def between(self) -> None:
        """Stand between two pieces of the work: let somebody else compute where it is his turn."""
        self.turn.acquire(self._settle)

    def _settle(self) -> None:
        """Wait until what was begun is computed."""
        for stream in self.streams:
            mx.synchronize(stream)

    def _traced(self, model: Any, parts: Sequence[Packed | plain.Padded]) -> list[tuple[mx.array, Any]]:  # noqa: ANN401 - as above
        """Do it by automatic differentiation: for models that `backprop` does not write out."""
        loss = plain.loss if isinstance(parts[0], plain.Padded) else shared_prefix.loss
        function = nn.value_and_grad(model, loss)
        made = []
        for stream, packed in zip(self.streams, parts, strict=False):
            with mx.stream(stream):
                made.append(function(model, packed))
        return made


def _sum(losses: Sequence[mx.array]) -> mx.array:
    return reduce(mx.add, [loss.sum() for loss in losses])


def _add(
    one: tuple[mx.array, dict[str, Any]], other: tuple[mx.array, dict[str, Any]]
) -> tuple[mx.array, dict[str, Any]]:
    return one[0] + other[0], tree_map(lambda a, b: a + b, one[1], other[1])
