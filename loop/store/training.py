"""How a training goes, step by step."""

from loop.store.base import Base
from loop.store.tables import TrainingStep as TrainingStepRow
from loop.types import Round, TrainingStep


class Training(Base):
    """The steps of every round's training, readable while it runs (`v_training`)."""

    def training_step(self, rnd: Round, step: TrainingStep) -> None:
        """Write down a step; one that was lost by a kill and taken again is replaced."""
        row = {"round": rnd.id, "at": self._clock(), **step.model_dump()}
        with self._write() as connection:
            self._upsert(connection, TrainingStepRow, [row])
