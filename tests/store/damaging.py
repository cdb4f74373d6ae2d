"""Damage rows the way a hand or a disk would: past every check, trigger and key of the database."""

from sqlalchemy import Column, Connection, Engine, Float, Integer, event, text
from sqlalchemy.exc import DBAPIError

from loop.store import db
from loop.store.tables import Table

TEXT = {
    "empty": "''",
    "garbage": "'garbage'",
    "truncated": 'substr("{0}", 1, length("{0}") / 2)',
    "a list": "'[1]'",
    "no number": '\'{{"a": NaN, "turn": "x", "tokens": 1e999}}\'',
    "deep": "'" + "[" * 300 + "'",
    "many digits": "'" + "9" * 5000 + "'",
}
SPOILED = "cast(x'c3286e' as text)"
"""Bytes that are no UTF-8; PostgreSQL takes none."""
NUMBER = {"minus one": "-1", "huge": "2147483647"}
REAL = {
    "sqlite": {"infinite": "9e999", "minus one": "-1.0"},
    "postgresql": {"infinite": "'infinity'", "no number": "'NaN'"},
}
DELETED = "deleted"


def cases(dialect: str) -> list[tuple[str, str, str]]:
    """Every way to damage a column: table, column, the SQL of what is written there."""
    columns = [(table.name, column) for table in Table.metadata.sorted_tables for column in table.columns]
    found = [(table, column.name, value) for table, column in columns for value in kinds(column, dialect)]
    return [*found, *((table.name, "", DELETED) for table in Table.metadata.sorted_tables)]


def kinds(column: Column, dialect: str) -> list[str]:
    """What can be written into a column."""
    if isinstance(column.type, Float):
        found = list(REAL[dialect].values())
    elif isinstance(column.type, Integer):
        found = list(NUMBER.values())
    else:
        found = [*TEXT.values(), *([SPOILED] if dialect == "sqlite" else [])]
    return [*found, *(["null"] if column.nullable else [])]


def damage(engine: Engine, table: str, column: str, value: str) -> int:
    """Write a value into a column of every row, or delete every row; returns how many it changed.

    A row whose key would be another's stays as it is.
    """
    if value == DELETED:
        statement = f"delete from {table}"
    else:
        statement = f'update {table} set "{column}" = {value.format(column)}'
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            return _on_postgresql(connection, statement)
        return connection.exec_driver_sql(statement.replace("update ", "update or ignore ", 1)).rowcount


def _on_postgresql(connection: Connection, statement: str) -> int:
    connection.execute(text("set local session_replication_role = replica"))
    try:
        with connection.begin_nested():
            return connection.exec_driver_sql(statement.replace("%", "%%")).rowcount
    except DBAPIError:
        return 0  # a key twice, or a number that the column's type cannot hold


def unguarded(url: str) -> Engine:
    """Connect past what guards a database: its keys and checks, and, on SQLite, its triggers."""
    engine = db.engine(url, foreign_keys=False)
    if engine.dialect.name == "postgresql":
        return engine
    with engine.begin() as connection:
        for name in connection.exec_driver_sql("select name from sqlite_master where type = 'trigger'").scalars().all():
            connection.exec_driver_sql(f"drop trigger {name}")
    event.listen(engine, "begin", lambda each: each.exec_driver_sql("pragma ignore_check_constraints = on"))
    return engine
