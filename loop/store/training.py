"""How a training goes, step by step."""

from loop.store.database import Database
from loop.store.tables import TrainingStep as TrainingStepRow
from loop.types import Round, TrainingStep


class TrainingRecords:
    """The steps of every round's training, readable while it runs (`v_training`)."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(self, rnd: Round, step: TrainingStep) -> None:
        """Write down a step; one that was lost by a kill and taken again is replaced."""
        row = {"round": rnd.id, "at": self._db.clock(), **step.model_dump()}
        with self._db.write() as connection:
            self._db.upsert(connection, TrainingStepRow, [row])
