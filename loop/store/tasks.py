"""Tasks, and the split of their leak groups."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select

from loop.canonical import clean
from loop.errors import CheckNegative, Damaged, NotFound
from loop.store.damage import or_damage, reads, same, there
from loop.store.database import AnyRow, Database, chunks
from loop.store.rows import task_row
from loop.store.tables import LeakGroup, TaskBackend
from loop.store.tables import Task as TaskRow
from loop.types import Split, Task


class Tasks:
    """The tasks. A leak group's first task fixes its split; a later one that asks for another is refused."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, task_id: str) -> Task:
        """Look a task up.

        Raises:
            NotFound: there is no such task.
        """
        with self._db.read() as connection:
            tasks = self.load(connection, [task_id])
        if not tasks:
            raise NotFound(f"There is no task {task_id}")
        return there(tasks, task_id, "task")

    def splits(self, groups: Iterable[str]) -> dict[str, Split]:
        """Say in which split leak groups lie, where they are known."""
        with self._db.read() as connection:
            return _splits(connection, groups)

    def load(self, connection: Connection, ids: Iterable[str]) -> Mapping[str, Task | Damaged]:
        """Read tasks, inside a transaction; what is not there is left out."""
        tasks: dict[str, Task | Damaged] = {}
        for some in chunks(sorted(set(ids))):
            rows = connection.execute(select(TaskRow.id, TaskRow.body).where(TaskRow.id.in_(some)))
            tasks.update({row.id: or_damage(task_of, row) for row in rows})
        return tasks

    def add(self, connection: Connection, tasks: Sequence[Task]) -> None:
        """Insert tasks that are not there yet, inside a transaction.

        Raises:
            CheckNegative: a task's leak group is already used in another split.
        """
        groups = {clean(task.leak_group): task.split for task in tasks}
        self._db.insert_once(connection, LeakGroup, [{"name": name, "split": groups[name]} for name in sorted(groups)])
        self._check_splits(connection, tasks)
        now = self._db.clock()
        self._db.insert_once(connection, TaskRow, [task_row(task, now) for task in tasks])
        uses = [{"task": task.id, "backend": name} for task in tasks for name in sorted(set(task.backends))]
        self._db.insert_once(connection, TaskBackend, uses)

    def _check_splits(self, connection: Connection, tasks: Sequence[Task]) -> None:
        fixed = _splits(connection, {task.leak_group for task in tasks})
        for task in tasks:
            there = fixed[clean(task.leak_group)]
            if there is not task.split:
                raise CheckNegative(
                    f"Leak group '{task.leak_group}' lies in split {there}; task {task.id} of it says {task.split}. "
                    "Tasks of one leak group share a split"
                )


def _splits(connection: Connection, groups: Iterable[str]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for names in chunks(sorted({clean(group) for group in groups})):
        query = select(LeakGroup.name, LeakGroup.split).where(LeakGroup.name.in_(names))
        splits.update({row.name: _split(row) for row in connection.execute(query)})
    return splits


@reads(LeakGroup)
def _split(row: AnyRow) -> Split:
    return Split(row.split)


@reads(TaskRow)
def task_of(row: AnyRow) -> Task:
    """One row of `task`, as a record."""
    task = Task.model_validate_json(row.body)
    same(task.id, row.id)
    return task
