"""Tasks, the split of their leak groups, and what is known against them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, select

from loop.canonical import clean
from loop.errors import CheckNegative, NotFound
from loop.store.base import Base, chunks
from loop.store.rows import task_row
from loop.store.tables import Defect, LeakGroup, TaskBackend
from loop.store.tables import Task as TaskRow
from loop.types import Record, Split, Task

UNSOUND: Final = "unsound"
"""The kind of flaw that leaves its task out of every score; any other kind is a remark."""


class Flaw(Record):
    """One line of the soundness ledger: what is known against a task, and where that was learned."""

    task: str
    kind: str
    source: str
    note: str = ""


class Tasks(Base):
    """The tasks. A leak group's first task fixes its split; a later one that asks for another is refused."""

    def task(self, task_id: str) -> Task:
        """Look a task up.

        Raises:
            NotFound: there is no such task.
        """
        with self._read() as connection:
            found = self._tasks(connection, [task_id])
        if not found:
            raise NotFound(f"There is no task {task_id}")
        return found[task_id]

    def note_flaw(self, flaw: Flaw) -> None:
        """Enter something into the soundness ledger; the same finding of the same source is kept once."""
        self.note_flaws([flaw])

    def note_flaws(self, flaws: Iterable[Flaw]) -> None:
        """Enter findings into the soundness ledger at once; nothing is written where there is none."""
        now = self._clock()
        rows = [flaw.model_dump() | {"note": clean(flaw.note), "added": now} for flaw in flaws]
        if rows:
            with self._write() as connection:
                self._upsert(connection, Defect, rows)

    def flaws(self) -> Iterator[Flaw]:
        """The soundness ledger."""
        query = select(Defect.task, Defect.kind, Defect.source, Defect.note)
        with self._read() as connection:
            rows = connection.execute(query.order_by(Defect.task, Defect.kind, Defect.source)).all()
        return (Flaw(task=row.task, kind=row.kind, source=row.source, note=row.note) for row in rows)

    def _tasks(self, connection: Connection, ids: Iterable[str]) -> Mapping[str, Task]:
        found: dict[str, Task] = {}
        for some in chunks(sorted(set(ids))):
            rows = connection.execute(select(TaskRow.id, TaskRow.body).where(TaskRow.id.in_(some)))
            found.update({row.id: Task.model_validate_json(row.body) for row in rows})
        return found

    def _add_tasks(self, connection: Connection, tasks: Sequence[Task]) -> None:
        """Insert tasks that are not there yet.

        Raises:
            CheckNegative: a task's leak group is already used in another split.
        """
        groups = {clean(task.leak_group): task.split for task in tasks}
        self._insert_once(connection, LeakGroup, [{"name": name, "split": groups[name]} for name in sorted(groups)])
        self._check_splits(connection, tasks)
        now = self._clock()
        self._insert_once(connection, TaskRow, [task_row(task, now) for task in tasks])
        uses = [{"task": task.id, "backend": name} for task in tasks for name in sorted(set(task.backends))]
        self._insert_once(connection, TaskBackend, uses)

    def _check_splits(self, connection: Connection, tasks: Sequence[Task]) -> None:
        fixed: dict[str, Split] = {}
        for names in chunks(sorted({clean(task.leak_group) for task in tasks})):
            query = select(LeakGroup.name, LeakGroup.split).where(LeakGroup.name.in_(names))
            fixed.update({row.name: Split(row.split) for row in connection.execute(query)})
        for task in tasks:
            there = fixed[clean(task.leak_group)]
            if there is not task.split:
                raise CheckNegative(
                    f"Leak group '{task.leak_group}' lies in split {there}; task {task.id} of it says {task.split}. "
                    "Tasks of one leak group share a split"
                )
