"""The soundness ledger: what is known against tasks, replays of plans, and what teachers made of a task."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import case, delete, func, select

from loop.canonical import clean
from loop.store.database import Database
from loop.store.tables import Defect, SuiteTask
from loop.store.tables import Replay as ReplayRow
from loop.store.tables import Score as ScoreRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.types import Record

UNSOUND: Final = "unsound"
"""The kind of flaw that leaves its task out of every score; any other kind is a remark."""
AIDED: Final = ("scripted", "cloned", "idle")
"""Players that see the plan, or do not even try: what they make of a task says nothing about the user's words.
`v_ledger` has them too."""


class Flaw(Record):
    """One line of the soundness ledger: what is known against a task, and where that was learned."""

    task: str
    kind: str
    source: str
    note: str = ""


class PlanReplay(Record):
    """Whether a task's own plan passes every required checker."""

    task: str
    passed: bool
    reason: str = ""
    """Why it does not."""


class Attempts(Record):
    """What teachers that do not see the plan made of a task."""

    plays: int = 0
    wins: int = 0


class Soundness:
    """The ledger and its parts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(self, flaw: Flaw) -> None:
        """Enter something into the soundness ledger; the same finding of the same source is kept once."""
        self.note_all([flaw])

    def note_all(self, flaws: Iterable[Flaw]) -> None:
        """Enter findings into the soundness ledger at once; nothing is written where there is none."""
        now = self._db.clock()
        rows = [flaw.model_dump() | {"note": clean(flaw.note), "added": now} for flaw in flaws]
        if rows:
            with self._db.write() as connection:
                self._db.upsert(connection, Defect, rows)

    def flaws(self) -> Iterator[Flaw]:
        """The soundness ledger."""
        query = select(Defect.task, Defect.kind, Defect.source, Defect.note)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(Defect.task, Defect.kind, Defect.source)).all()
        return (Flaw(task=row.task, kind=row.kind, source=row.source, note=row.note) for row in rows)

    def save_replays(self, replays: Sequence[PlanReplay]) -> None:
        """Keep the latest replay of each task."""
        now = self._db.clock()
        rows = [
            {"task": replay.task, "passed": int(replay.passed), "reason": clean(replay.reason), "replayed": now}
            for replay in replays
        ]
        with self._db.write() as connection:
            self._db.upsert(connection, ReplayRow, rows)

    def attempts(self, suite_id: str) -> Mapping[str, Attempts]:
        """Count judged plays and wins of teachers on a suite's tasks, those that play the plan left out.

        A win is a score's where there is one: a suite's own checkers may have judged it.
        """
        scored = (
            select(ScoreRow.trajectory, func.max(ScoreRow.passed).label("passed"))
            .where(ScoreRow.policy.is_(None), ScoreRow.trajectory.is_not(None))
            .group_by(ScoreRow.trajectory)
            .subquery()
        )
        passed = func.coalesce(scored.c.passed, TrajectoryRow.passed)
        query = (
            select(TrajectoryRow.task, func.count(), func.sum(case((passed == 1, 1), else_=0)))
            .join(SuiteTask, SuiteTask.task == TrajectoryRow.task)
            .outerjoin(scored, scored.c.trajectory == TrajectoryRow.id)
            .where(
                SuiteTask.suite == suite_id,
                TrajectoryRow.policy.is_(None),
                TrajectoryRow.player.not_in(AIDED),
                passed.is_not(None),
            )
            .group_by(TrajectoryRow.task)
        )
        with self._db.read() as connection:
            return {task: Attempts(plays=plays, wins=wins) for task, plays, wins in connection.execute(query)}

    def unsound(self, suite_id: str) -> frozenset[str]:
        """Ids of a suite's tasks that no score may count."""
        query = select(Defect.task).join(SuiteTask, SuiteTask.task == Defect.task)
        with self._db.read() as connection:
            return frozenset(connection.scalars(query.where(SuiteTask.suite == suite_id, Defect.kind == UNSOUND)))

    def withdraw(self, task: str, source: str) -> None:
        """Take back what one source said against a task."""
        with self._db.write() as connection:
            connection.execute(delete(Defect).where(Defect.task == task, Defect.source == source))
