"""Early stopping: where the held-out loss was lowest, and how long ago (Prechelt 1998)."""

from typing import Self

from loop.types import Record


class EarlyStopping(Record):
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
