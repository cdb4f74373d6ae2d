"""Rows of the views as mappings, and their pages: what the HTTP API lists."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from loop.errors import UsageError
from loop.runtime.query import Query, Value
from loop.types import Record

Row = dict[str, Any]


def rows(
    ask: Query, statement: str, values: Sequence[Value] = (), *, most: int = 1000, seconds: float = 10
) -> list[Row]:
    """Ask for rows as mappings from column to value."""
    answer = ask(statement, values, rows=most, seconds=seconds)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


class Listed(Record):
    """A view that the API lists, in an order that pages can follow."""

    view: str
    says: str
    key: tuple[str, ...]
    """Expressions, without nulls, that name a row; the order of the list."""
    newest_first: bool = True


LISTS: Final[Mapping[str, Listed]] = MappingProxyType(
    {
        "rounds": Listed(view="v_rounds", says="Rounds, the newest first.", key=("round",)),
        "policies": Listed(view="v_policies", says="Policies, the newest first.", key=("added", "policy")),
        "gates": Listed(
            view="v_gates",
            says="Judgements of candidates beside champions, the newest first.",
            key=("judged", "gate", "candidate", "champion"),
        ),
        "arms": Listed(view="v_curriculum", says="Arms of the curriculum.", key=("arm",), newest_first=False),
        "datasets": Listed(
            view="v_datasets", says="Datasets, the newest first.", key=("coalesce(round, 0)", "dataset")
        ),
        "transfer": Listed(
            view="v_transfer",
            says="What training on one backend did to another, the newest round first.",
            key=("round", "policy", "trained_backend", "evaluated_backend", "suite"),
        ),
        "spend": Listed(
            view="v_spend",
            says="What teachers cost, the newest day first.",
            key=("day", "teacher", "coalesce(round, 0)"),
        ),
        "suites": Listed(
            view="v_suites",
            says="Scores of suites.",
            key=("suite", "digest", "coalesce(player, '')", "coalesce(fingerprint, '')"),
            newest_first=False,
        ),
    }
)
"""By the last word of their path."""


def page(ask: Query, listed: Listed, after: str | None, limit: int) -> tuple[list[Row], str | None]:
    """Give one page of a view, and the cursor of the next.

    Raises:
        UsageError: the cursor is none of ours.
    """
    keys, way = ", ".join(listed.key), "desc" if listed.newest_first else "asc"
    where, values = "", list[Value]()
    if after:
        values = _read(after, len(listed.key))
        marks = ", ".join("?" * len(values))
        where = f"where ({keys}) {'<' if listed.newest_first else '>'} ({marks})"
    named = ", ".join(f"{key} as key_{n}" for n, key in enumerate(listed.key))
    order = ", ".join(f"{key} {way}" for key in listed.key)
    statement = f"select *, {named} from {listed.view} {where} order by {order} limit ?"  # noqa: S608 - our own words
    fetched = rows(ask, statement, [*values, limit + 1], most=limit + 1)
    cursors = [[item.pop(f"key_{n}") for n in range(len(listed.key))] for item in fetched]
    return fetched[:limit], _spell(cursors[limit - 1]) if len(fetched) > limit else None


def _spell(key: Sequence[Value]) -> str:
    return urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _read(cursor: str, length: int) -> list[Value]:
    try:
        key = json.loads(urlsafe_b64decode(cursor.encode() + b"==")[:2000])
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{cursor:.60}' is not a cursor: give the `next` of an earlier page") from error
    if not isinstance(key, list) or len(key) != length or not all(map(_fits, key)):
        raise UsageError(f"'{cursor:.60}' is not a cursor of this list: give the `next` of an earlier page")
    return key


def _fits(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**63)
