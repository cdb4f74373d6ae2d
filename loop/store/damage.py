"""What tells a damaged row apart: one that was changed by hand, or that a disk spoiled.

Every record is built from its row in a function under `reads`, which names table and key where that fails.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from math import isfinite
from typing import Concatenate, ParamSpec, TypeVar

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from loop.canonical import canonical
from loop.errors import Damaged
from loop.store.database import AnyRow
from loop.store.db import Spoiled
from loop.store.tables import Table
from loop.types.record import Record, first_fault

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=Record)
V = TypeVar("V")


class DamagedRow(Damaged):
    """One row is damaged."""

    def __init__(self, table: str, key: str, fault: str) -> None:
        """Name it."""
        super().__init__(f"Row {key or '(without a key)'} of table {table} is damaged: {fault}")
        self.table, self.key, self.fault = table, key, fault


def reads(table: type[Table]) -> Callable[[Callable[Concatenate[AnyRow, P], R]], Callable[Concatenate[AnyRow, P], R]]:
    """Name the row, where a function that builds a record from it fails; its first argument is the row.

    The row must hold the table's primary key under the names of its columns.

    Raises:
        Damaged: the function found something that no record may hold, or a number of the row is none.
    """
    keys = [column.name for column in table.__table__.primary_key]

    def guard(build: Callable[Concatenate[AnyRow, P], R]) -> Callable[Concatenate[AnyRow, P], R]:
        @wraps(build)
        def built(row: AnyRow, /, *rest: P.args, **named: P.kwargs) -> R:
            try:
                _check_values(row)
                return build(row, *rest, **named)
            except (ValueError, LookupError, OverflowError) as error:
                key = " ".join(str(getattr(row, name)) for name in keys)
                raise damaged(table.__tablename__, key, error) from error

        return built

    return guard


def _check_values(row: AnyRow) -> None:
    for value in row:
        if type(value) is float and not isfinite(value):
            raise ValueError(f"{value} is not a number")
        if type(value) is Spoiled:
            raise ValueError(f"'{value:.40}' is not UTF-8")


def or_damage(build: Callable[[AnyRow], V], row: AnyRow) -> V | Damaged:
    """Build a record, or say why not: one damaged row shall not stand in the way of others."""
    try:
        return build(row)
    except Damaged as error:
        return error


def damaged(table: str, key: str, why: Exception | str) -> DamagedRow:
    """Name a damaged row: its table, its key, what is wrong with it, and what to type."""
    said = str(first_fault(why)) if isinstance(why, ValidationError) else f"{why}"
    return DamagedRow(table, key, f"{said:.200}")


def json_object(text: str) -> dict[str, JsonValue]:
    """Read a JSON object.

    Raises:
        ValueError: it is none.
    """
    value = from_json(text, allow_inf_nan=False)
    if not isinstance(value, dict):
        raise ValueError(f"'{text:.40}' is not a JSON object")  # noqa: TRY004 - it is the text that is wrong
    return value


def json_list(text: str) -> list[JsonValue]:
    """Read a JSON list.

    Raises:
        ValueError: it is none.
    """
    value = from_json(text, allow_inf_nan=False)
    if not isinstance(value, list):
        raise ValueError(f"'{text:.40}' is not a JSON list")  # noqa: TRY004 - it is the text that is wrong
    return value


def record(kind: type[T], text: str) -> T:
    """Read a record's whole body, which the store wrote in its canonical spelling.

    Raises:
        ValueError: it is no such record, or not spelled so.
    """
    fields = json_object(text)
    if canonical(fields) != text:
        raise ValueError("its body is not as it was written")
    return kind.model_validate(fields)


def there(known: Mapping[str, V | Damaged], key: str, what: str) -> V:
    """Follow a reference.

    Raises:
        LookupError: nothing is there.
        Damaged: what is there is damaged itself.
    """
    if key not in known:
        raise LookupError(f"its {what} {key:.64} is not in the store")
    value = known[key]
    if isinstance(value, Damaged):
        raise value
    return value


def same(digest: str, stored: str) -> None:
    """Hold content to the id that it is stored under.

    Raises:
        ValueError: it has another.
    """
    if digest != stored:
        raise ValueError("its content is not what its id says")
