"""What tables are made of: column types, names of constraints, and checks."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


WHOLE: Final = re.compile(r"-?[0-9]{1,100}")


class Whole(TypeDecorator[int]):
    """An integer of any size, kept as text: a seed may be a digest."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - fixed by the base
        """Spell it."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - fixed by the base
        """Read it; what is no number is left to the record, which refuses it and names the row."""
        return int(value) if value is not None and WHOLE.fullmatch(value) else value


BIG: Final = BigInteger().with_variant(Integer, "sqlite")
_REAL: Final[Double[float]] = Double().with_variant(REAL, "sqlite")

Key = Annotated[str, mapped_column(primary_key=True)]
Place = Annotated[int, mapped_column(primary_key=True, autoincrement=False)]
Serial = Annotated[int, mapped_column(primary_key=True, autoincrement=True)]
Moment = Annotated[int, mapped_column(BIG)]
Count = Annotated[int, mapped_column(BIG, default=0)]
Big = Annotated[int, mapped_column(Whole)]


class Table(DeclarativeBase):
    """What every table shares."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {str: Text, int: Integer, float: _REAL}


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """Let a column hold the words of an enumeration only."""
    spelled = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} in ({spelled})", name=column)


def truth(column: str) -> CheckConstraint:
    """Let a column hold 0 or 1 only."""
    return CheckConstraint(f"{column} in (0, 1)", name=column)


def strict(*constraints: CheckConstraint | ForeignKeyConstraint | Index | UniqueConstraint) -> tuple[object, ...]:
    """Table arguments: the constraints, and SQLite's strict typing."""
    return (*constraints, {"sqlite_strict": True})
