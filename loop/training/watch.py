"""How far a training has come; and early stopping: where the held-out loss was lowest, how long ago (Prechelt 1998)."""

from collections.abc import Mapping
from typing import Self

from loop.types import Record

Losses = Mapping[str, tuple[float, ...]]
"""Of each row of a step by id, what the answers of its turns lost before it, in nats."""


class Watch(Record):
    """What the measurements so far say. Steps count from one; 0 is none yet."""

    step: int = 0
    loss: float | None = None
    misses: int = 0
    """Measurements since without a lower loss."""

    def seen(self, step: int, loss: float) -> Self:
        """Take one more measurement."""
        if self.loss is None or loss < self.loss:
            return self.model_copy(update={"step": step, "loss": loss, "misses": 0})
        return self.model_copy(update={"misses": self.misses + 1})


class Reached(Record):
    """Where a training is: what a checkpoint holds beside weights and optimizer."""

    step: int = 0
    """Steps taken."""
    watch: Watch = Watch()
    told: tuple[Losses, ...] = ()
    """Per step, what its rows lost; where rows are chosen by it, otherwise empty."""
