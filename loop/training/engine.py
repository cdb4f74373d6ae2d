"""How a model's loss and gradient are computed, chosen once: the fastest way that its family allows.

`layers`: written out, layer by layer (`backprop`). `shared-prefix`: the same loss by automatic differentiation.
`plain`: whole rows, for a family whose attention a forest cannot stand in for; the trainer says so and goes on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import mlx.core as mx
import numpy as np

from loop.compute import memory
from loop.compute.rotary import share_turns
from loop.runtime.gpu_turn import GpuTurn
from loop.training import backprop, plain, shared_prefix
from loop.training.lanes import Lanes
from loop.training.masks import TrainingRow, learned
from loop.training.prefix_tree import Floats, Packed, pack
from loop.training.schedule import split
from loop.types.jobs import Job

Name = Literal["layers", "shared-prefix", "plain"]


class TrainingEngine:
    """Computes losses and gradients of rows for one model."""

    def __init__(self, model: Any, job: Job, turn: GpuTurn | None = None) -> None:  # noqa: ANN401 - an mlx-lm model
        """Choose the way, and how many tokens go through the model at once; `turn` says when it may compute.

        Raises:
            ConfigError: the machine has too little memory.
        """
        self.model = model
        self.lanes = Lanes(job.lanes, recompute=job.gradient_checkpointing, turn=turn)
        self.name: Name = _choose(model)
        if self.name == "layers":
            share_turns(model)
        self.at_once = job.batch_tokens
        self.told: dict[str, Floats] = {}
        """Of the last step's rows by id, the loss of each learned token, where it is computed (`layers`)."""
        self.foreseen: int | None = None
        """Bytes that it will hold, the model's included; None where that cannot be told."""
        if self.name != "plain":
            how = {"recompute": job.gradient_checkpointing, "traced": self.name != "layers"}
            self.at_once = memory.budget(model, job.batch_tokens, self.lanes.count, memory.available(), **how)
            self.foreseen = memory.foreseen(model, self.at_once, self.lanes.count, **how)

    @property
    def why(self) -> str:
        """Why it is slower than it could be; empty where it is not."""
        if self.name != "plain":
            return ""
        family = type(self.model).__module__.rpartition(".")[2]
        return f"{family}: prefixes cannot be shared in this family's attention, so every row is computed whole"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Prepare the model for `gradient` and `loss`, until the block ends."""
        recompute = self.lanes.recompute
        if self.name != "plain":
            with shared_prefix.stand_in(self.model, recompute=recompute):
                yield
        else:
            with shared_prefix.recomputing(self.model, recompute=recompute):
                yield

    def gradient(self, rows: Sequence[TrainingRow], total: float) -> tuple[mx.array, Any]:
        """Sum the losses of the rows' learned tokens by weight over `total`, the whole step's; and its gradient."""
        parts = list(self._parts(rows, total))
        loss, gradient, each = self.lanes.gradient(self.model, parts)
        self.told = {
            name: losses
            for part, weighted in zip(parts, each, strict=False)
            if isinstance(part, Packed)
            for name, losses in part.of_rows(np.array(weighted)).items()
        }
        return loss, gradient

    def loss(self, rows: Sequence[TrainingRow]) -> float:
        """Compute the weighted mean loss of the rows' learned tokens, and no gradient."""
        function: Any = plain.loss if self.name == "plain" else shared_prefix.loss
        total = 0.0
        for part in self._parts(rows, learned(rows)):
            self.lanes.between()
            value: Any = function(self.model, part).item()
            total += value
        return total

    def _parts(self, rows: Sequence[TrainingRow], total: float) -> Iterator[Packed | plain.Padded]:
        if self.name == "plain":
            return (plain.pad(part, total) for part in plain.split(rows, self.at_once))
        return (pack(part, total) for part in split(rows, self.lanes.count, self.at_once))


def _choose(model: Any) -> Name:  # noqa: ANN401 - as above
    if backprop.fits(model):
        return "layers"
    return "shared-prefix" if shared_prefix.reaches(model) else "plain"
