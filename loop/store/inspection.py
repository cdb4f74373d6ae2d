"""A look at everything that the database holds, row by row: what `loopd fsck` says of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from sqlalchemy import CheckConstraint, Connection, and_, exists, select, text, tuple_
from sqlalchemy import Table as AnyTable

from loop.canonical import digest
from loop.store.corrections import correction_of
from loop.store.damage import DamagedRow, json_object, reads, record, same
from loop.store.database import AnyRow, AnySelect, Database
from loop.store.invariants import INVARIANTS
from loop.store.policies import policy_of, topics_of, with_prompt
from loop.store.rows import task_row
from loop.store.tables import Arm as ArmRow
from loop.store.tables import Catalogue as CatalogueRow
from loop.store.tables import Correction as CorrectionRow
from loop.store.tables import CorrectionScore, Prompt, Table, ToolCall
from loop.store.tables import Dataset as DatasetRow
from loop.store.tables import Event as EventRow
from loop.store.tables import GateResult as GateRow
from loop.store.tables import Play as PlayRow
from loop.store.tables import Policy as PolicyRow
from loop.store.tables import Score as ScoreRow
from loop.store.tables import Task as TaskRow
from loop.store.tables import Topics as TopicsRow
from loop.store.tables import Trace as TraceRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.tables import Verdict as VerdictRow
from loop.store.tables.base import Whole
from loop.store.tasks import task_of
from loop.store.traces import provenance_of
from loop.store.trajectories import Trajectories, catalogue_of
from loop.types import Arm, GateResult, Message, Part, Record

PAGE: Final = 500
"""Rows a transaction: the daemon goes on writing between two of them."""
NAMED: Final = 20
"""Rows with one fault that are named; of the rest only the number is told."""


class IntegrityFinding(Record):
    """One thing that is not as it should be."""

    where: str
    """The table."""
    key: str
    """The row's primary key."""
    fault: str


class StoreInspection:
    """Looks at everything, and changes nothing."""

    def __init__(self, database: Database, trajectories: Trajectories) -> None:
        self._db = database
        self._trajectories = trajectories

    def findings(self, *, quick: bool = False) -> Iterator[IntegrityFinding]:
        """Yield whatever is wrong.

        Args:
            quick: leave out what reads every row; the keys, the checks and the invariants are looked at all the same.
        """
        yield from self._file()
        for invariant in INVARIANTS:
            yield from self._broken(invariant.table, invariant.fault, text(invariant.query))
        for table in Table.metadata.sorted_tables:
            yield from self._keys(table)
            yield from self._checks(table)
        if not quick:
            for mapper in sorted(Table.registry.mappers, key=lambda mapper: mapper.class_.__tablename__):
                yield from _some(self._rows(mapper.class_))
            yield from _some(self._trajectories_said())

    def _file(self) -> Iterator[IntegrityFinding]:
        """Ask SQLite what it finds in its own file."""
        with self._db.read() as connection:
            if connection.dialect.name != "sqlite":
                return
            for (said,) in connection.exec_driver_sql(f"pragma integrity_check({NAMED})"):
                if said != "ok":
                    yield IntegrityFinding(where="file", key="", fault=said)

    def _keys(self, table: AnyTable) -> Iterator[IntegrityFinding]:
        """Find rows whose foreign keys lead nowhere."""
        for key in table.foreign_key_constraints:
            parent = key.referred_table.alias()
            pairs = [(element.parent, parent.c[element.column.name]) for element in key.elements]
            there = exists().select_from(parent).where(and_(*(child == above for child, above in pairs)))
            named = and_(*(child.is_not(None) for child, _ in pairs))
            fault = f"the {key.referred_table.name} that its {' and '.join(key.column_keys)} names is not there"
            yield from self._broken(table.name, fault, select(*table.primary_key).where(named, ~there))

    def _checks(self, table: AnyTable) -> Iterator[IntegrityFinding]:
        """Find rows that break a check of their table."""
        for check in table.constraints:
            if isinstance(check, CheckConstraint):
                query = select(*table.primary_key).where(text(f"not ({check.sqltext})"))
                yield from self._broken(table.name, f"not so: {check.sqltext}", query)

    def _broken(self, table: str, fault: str, query: Any) -> Iterator[IntegrityFinding]:  # noqa: ANN401 - a select or a text
        with self._db.read() as connection:
            keys = [" ".join(map(str, row)) for row in connection.execute(query)]
        return _some(IntegrityFinding(where=table, key=key, fault=fault) for key in keys)

    def _rows(self, table: type[Table]) -> Iterator[IntegrityFinding]:
        """Find rows that no record can be made of."""
        check = reads(table)(_check(table))
        query = with_prompt() if table is PolicyRow else select(table)
        for page in self._pages(table, query):
            yield from _faults(page, check)

    def _trajectories_said(self) -> Iterator[IntegrityFinding]:
        """Find trajectories whose messages are not those that were stored, or cannot be read."""
        for page in self._pages(TrajectoryRow, select(TrajectoryRow), self._trajectories.damages):
            for error in page:
                yield IntegrityFinding(where=error.table, key=error.key, fault=error.fault)

    def _pages(
        self, table: type[Table], query: AnySelect, build: Callable[[Connection, list[AnyRow]], Any] | None = None
    ) -> Iterator[Any]:
        """Walk a table in the order of its key, a page a transaction."""
        key = tuple_(*table.__table__.primary_key)
        page = query.order_by(*table.__table__.primary_key).limit(PAGE)
        while True:
            with self._db.read() as connection:
                rows = list(connection.execute(page))
                built = rows if build is None else build(connection, rows)
            yield built
            if len(rows) < PAGE:
                return
            last = [getattr(rows[-1], column.name) for column in table.__table__.primary_key]
            page = query.order_by(*table.__table__.primary_key).limit(PAGE).where(key > tuple_(*last))


def _faults(rows: Iterable[AnyRow], check: Callable[[AnyRow], object]) -> Iterator[IntegrityFinding]:
    for row in rows:
        try:
            check(row)
        except DamagedRow as error:
            yield IntegrityFinding(where=error.table, key=error.key, fault=error.fault)


def _some(listed: Iterable[IntegrityFinding]) -> Iterator[IntegrityFinding]:
    """Name the first findings of one kind, and count the rest."""
    findings = iter(listed)
    last = None
    for last in islice(findings, NAMED):
        yield last
    rest = sum(1 for _ in findings)
    if rest and last:
        yield IntegrityFinding(where=last.where, key=f"{rest} more", fault="like these")


def _check(table: type[Table]) -> Callable[[AnyRow], object]:
    """Say how a row of a table is looked at; `reads` looks at numbers and text by itself."""
    wholes = [column.name for column in table.__table__.columns if isinstance(column.type, Whole)]
    content = CONTENT.get(table)

    def check(row: AnyRow) -> None:
        for name in wholes:
            if not isinstance(getattr(row, name), int):
                raise ValueError(f"{name} is not a whole number")  # noqa: TRY004 - it is the row that is wrong
        if content:
            content(row)

    return check


def _arm(row: AnyRow) -> None:
    same(str(record(Arm, row.body).key), row.name)


def _catalogue(row: AnyRow) -> None:
    if len(catalogue_of(row).tools) != row.tools:
        raise ValueError("it does not have the tools that it counts")


def _task(row: AnyRow) -> None:
    """Hold the columns that people filter by to the task itself."""
    stored = task_row(task_of(row), row.added)
    other = [name for name, value in stored.items() if getattr(row, name) != value and name != "body"]
    if other:
        raise ValueError(f"its {' and '.join(other)} is not the task's")


CONTENT: Final[Mapping[type[Table], Callable[[AnyRow], object]]] = {
    ArmRow: _arm,
    CatalogueRow: _catalogue,
    CorrectionRow: correction_of,
    CorrectionScore: lambda row: Message.model_validate(json_object(row.answer)),
    DatasetRow: lambda row: (json_object(row.counts), json_object(row.rules)),
    EventRow: lambda row: json_object(row.fields),
    GateRow: lambda row: record(GateResult, row.body),
    PlayRow: lambda row: Part.model_validate(json_object(row.part)),
    PolicyRow: policy_of,
    Prompt: lambda row: same(digest(row.content), row.id),
    ScoreRow: lambda row: json_object(row.measures),
    TaskRow: _task,
    ToolCall: lambda row: json_object(row.arguments),
    TopicsRow: topics_of,
    TraceRow: provenance_of,
    VerdictRow: lambda row: json_object(row.evidence),
}
"""What is looked at in a row besides its numbers and words, by its table."""
