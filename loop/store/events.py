"""What happened, for people and for programs that follow along."""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue
from sqlalchemy import Connection, select

from loop.canonical import clean
from loop.store.damage import json_object, reads
from loop.store.database import AnyRow, Database
from loop.store.doors import facts
from loop.store.rows import part
from loop.store.tables import Event as EventRow
from loop.types import Event


class Events:
    """The events, numbered as they came."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(self, kind: str, **fields: JsonValue) -> Event:
        """Write down that something happened."""
        with self._db.write() as connection:
            return note(self._db, connection, kind, **fields)

    def read(self, since: int = 0, kind: str | None = None) -> Iterator[Event]:
        """Yield the events after a number, the oldest first."""
        query = select(EventRow).where(EventRow.id > since)
        query = query if kind is None else query.where(EventRow.kind == kind)
        return self._db.paged(query, EventRow.id, _events)


def note(database: Database, connection: Connection, kind: str, **fields: JsonValue) -> Event:
    """Write down that something happened, inside the transaction in which it does."""
    values = {name: facts(value) for name, value in fields.items()}
    event = Event(id=0, at=database.clock(), kind=clean(kind), fields=values)
    row = {"at": event.at, "kind": event.kind, "fields": part(event, "fields")}
    added = connection.execute(database.insert(EventRow).values(**row).returning(EventRow)).one()
    return _events(connection, [added])[0]


def _events(_connection: Connection, rows: Sequence[AnyRow]) -> list[Event]:
    return [_event(row) for row in rows]


@reads(EventRow)
def _event(row: AnyRow) -> Event:
    return Event(id=row.id, at=row.at, kind=row.kind, fields=json_object(row.fields))
