"""Plays that match a filter, the newest first, a page at a time.

A page is bounded in time as well as in rows: where few plays match, it says how far it looked, and the next page goes
on from there. A phrase is looked for by the index of words, and then in what was said: plays are asked for by the
numbers that the index gives them, in the order in which they were stored.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from loop.errors import UsageError
from loop.runtime.query import Query, Value
from loop.store.words import Sought, sought
from loop.types import Purpose, Record, Tier
from loop.ui import word_search

SECONDS: Final = 0.2
"""How long one page looks before it says how far it came."""
STRIDE: Final = 4000
"""Plays that are looked at in one statement."""
STRIDE_OF_WORDS: Final = 400
"""The same where their messages are read too."""
NUMBER: Final = re.compile("n([0-9]{1,18})")
"""A cursor of a search for words: the number of a play."""


class PlayOutcome(StrEnum):
    """What the checkers made of a play."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OPEN = "open"
    """Not judged yet by every required checker."""


class PlayFilter(Record):
    """Which plays somebody wants to see; an empty field asks for nothing."""

    backend: str = ""
    family: str = ""
    tier: Tier | None = None
    verdict: PlayOutcome | None = None
    failed: str = ""
    """Name of a checker that failed it."""
    player: str = ""
    policy: str = ""
    """The beginning of a policy's id."""
    round: int | None = Field(default=None, ge=0, lt=2**31)
    purpose: Purpose | None = None
    suite: str = ""
    task: str = ""
    """The beginning of a task's id."""
    words: str = Field(default="", max_length=200)
    """A text that a message or a call contains, in large or small letters; it begins where a word begins."""


class ListedPlay(Record):
    """One play of a list."""

    trajectory: str
    round: int
    purpose: Purpose
    player: str
    policy: str | None
    backends: str
    family: str
    tier: str
    suite: str | None
    sample: int
    task: str
    accepted: bool | None
    failed: tuple[str, ...] = ()
    """Checkers that failed it."""
    ending: str
    turns: int
    calls: int
    tokens: int
    """Completion tokens."""
    seconds: float
    stored: datetime


class Page(Record):
    """Some plays, and where the next ones are."""

    rows: tuple[ListedPlay, ...]
    next: str | None
    """The cursor of the next page; None at the end."""
    back_to: datetime | None
    """How far back it was looked, where time ended the page; None where the page is full, or everything was seen."""


Row = tuple[Any, ...]
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[int, str]
"""Microseconds since the epoch, and an id: where a play stands in the order."""

COLUMNS: Final = {
    "stored": "t.stored",
    "trajectory": "t.id",
    "round": "t.round",
    "purpose": "t.purpose",
    "player": "t.player",
    "policy": "t.policy",
    "backends": "k.backends",
    "family": "k.family",
    "tier": "k.tier",
    "suite": "s.name",
    "sample": "t.sample",
    "task": "t.task",
    "accepted": "t.passed",
    "ending": "t.ending",
    "turns": "t.turns",
    "calls": "t.calls",
    "tokens": "t.completion_tokens",
    "seconds": "t.seconds",
}
SELECTED: Final = ", ".join(COLUMNS.values())
JOINS: Final = "join task k on k.id = t.task left join suite s on s.id = t.suite"
BY_WORDS: Final = "from trajectory_words w join trajectory t on t.id = w.trajectory"
ORDER: Final = "order by t.stored desc, t.id desc"


def find(
    ask: Query, wanted: PlayFilter, *, after: str | None = None, limit: int = 50, seconds: float = SECONDS
) -> Page:
    """Give the newest plays that are wanted.

    Args:
        ask: the store.
        wanted: which ones.
        after: the cursor of an earlier page.
        limit: plays of a page.
        seconds: how long to look, at most twice.

    Raises:
        UsageError: the cursor is none of ours.
    """
    if (words := sought(wanted.words)) is not None:
        return _by_words(ask, wanted, words, after=after, limit=limit, seconds=seconds)
    key = _read(after) if after else None
    conditions, values = _conditions(wanted)
    end, rows = time.monotonic() + seconds, list[Row]()
    for start, stop in _strides(ask, wanted, key):
        inside, bounds = _between(start, stop)
        where = " and ".join([*inside, *conditions]) or "1 = 1"
        statement = f"select {SELECTED} from trajectory t {JOINS} where {where} {ORDER} limit ?"  # noqa: S608 - only our own words
        rows += ask(statement, [*bounds, *values, limit + 1 - len(rows)], rows=limit + 1, seconds=10 * seconds + 1).rows
        if len(rows) > limit:
            return Page(rows=_plays(ask, rows[:limit]), next=_cursor(rows[limit - 1]), back_to=None)
        if stop and time.monotonic() > end:
            return Page(rows=_plays(ask, rows), next=f"{stop[0]}-{stop[1]}", back_to=_moment(stop[0]))
    return Page(rows=_plays(ask, rows), next=None, back_to=None)


def _by_words(  # noqa: PLR0913 - what `find` takes
    ask: Query, wanted: PlayFilter, words: Sought, *, after: str | None, limit: int, seconds: float
) -> Page:
    """Query the index for plays that have the words, and those for the phrase and for the rest of what is wanted."""
    conditions, values = _conditions(wanted)
    where = " and ".join(conditions)
    last, rows, end = _number(after) if after else None, list[Row](), time.monotonic() + seconds
    while True:
        numbers = word_search.numbers(ask, words, before=last, most=STRIDE_OF_WORDS, seconds=10 * seconds + 1)
        if not numbers:
            return Page(rows=_plays(ask, [row[1:] for row in rows]), next=None, back_to=None)
        marks = ", ".join("?" * len(numbers))
        statement = f"select w.number, {SELECTED} {BY_WORDS} {JOINS} where w.number in ({marks}) and {where} order by w.number desc limit ?"  # noqa: E501 - only our own words
        asked = [*numbers, *values, limit + 1 - len(rows)]
        rows += ask(statement, asked, rows=limit + 1, seconds=10 * seconds + 1).rows
        last = numbers[-1]
        if len(rows) > limit:
            plays = _plays(ask, [row[1:] for row in rows[:limit]])
            return Page(rows=plays, next=f"n{rows[limit - 1][0]}", back_to=None)
        if len(numbers) == STRIDE_OF_WORDS and time.monotonic() > end:
            stored = ask(f"select t.stored {BY_WORDS} where w.number = ?", [last]).rows[0][0]
            return Page(rows=_plays(ask, [row[1:] for row in rows]), next=f"n{last}", back_to=_moment(stored))


def _number(cursor: str) -> int:
    if (found := NUMBER.fullmatch(cursor)) is None:
        raise UsageError(f"'{cursor:.60}' is no cursor of a search for words: give the `next` of an earlier page")
    return int(found[1])


def _strides(ask: Query, wanted: PlayFilter, key: Key | None) -> Iterator[tuple[Key | None, Key | None]]:
    """Cut the order of all plays into stretches: after one key, up to another. What an index finds is one stretch."""
    stride = STRIDE_OF_WORDS if wanted.words else STRIDE
    if (wanted.round is not None or wanted.task) and not wanted.words:
        yield key, None
        return
    while True:
        inside, bounds = _between(key, None)
        where = f"where {inside[0]}" if inside else ""
        statement = f"select t.stored, t.id from trajectory t {where} {ORDER} limit 1 offset ?"  # noqa: S608 - only our own words
        rows = ask(statement, [*bounds, stride - 1]).rows
        stop = (int(rows[0][0]), str(rows[0][1])) if rows else None
        yield key, stop
        if stop is None:
            return
        key = stop


def _between(start: Key | None, stop: Key | None) -> tuple[list[str], list[Value]]:
    conditions, values = list[str](), list[Value]()
    if start:
        conditions.append("(t.stored, t.id) < (?, ?)")
        values += start
    if stop:
        conditions.append("(t.stored, t.id) >= (?, ?)")
        values += stop
    return conditions, values


def _conditions(wanted: PlayFilter) -> tuple[list[str], list[Value]]:
    """Say in SQL what is wanted."""
    given = wanted.model_dump(exclude_defaults=True)
    conditions = [CONDITIONS[name] for name in given]
    values = [value for name, said in given.items() for value in SPELLED.get(name, _once)(said)]
    return conditions, values


CONDITIONS: Final = {
    "backend": "exists (select 1 from task_backend b where b.task = t.task and b.backend = ?)",
    "family": "k.family = ?",
    "tier": "k.tier = ?",
    "verdict": "coalesce(t.passed, 2) = ?",
    "failed": "exists (select 1 from verdict v where v.trajectory = t.id and v.checker = ? and v.passed = 0)",
    "player": "t.player = ?",
    "policy": "t.policy >= ? and t.policy < ?",
    "round": "t.round = ?",
    "purpose": "t.purpose = ?",
    "suite": "s.name = ?",
    "task": "t.task >= ? and t.task < ?",
    "words": (
        "(exists (select 1 from message m where m.trajectory = t.id and lower(m.content) like ? escape '\\')"
        " or exists (select 1 from tool_call c where c.trajectory = t.id"
        " and (lower(c.arguments) like ? escape '\\' or lower(c.tool) like ? escape '\\')))"
    ),
}


def _once(said: object) -> list[Value]:
    return [said if isinstance(said, int) else str(said)]


def _beginning(said: object) -> list[Value]:
    """Bound the ids that begin like this; they are lower-case hexadecimal."""
    return [str(said), f"{said}g"]


def _outcome(said: object) -> list[Value]:
    return [{PlayOutcome.ACCEPTED: 1, PlayOutcome.REFUSED: 0, PlayOutcome.OPEN: 2}[PlayOutcome(str(said))]]


def _phrase(said: object) -> list[Value]:
    escaped = str(said).lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return [f"%{escaped}%"] * 3


SPELLED: Final[dict[str, Callable[[object], list[Value]]]] = {
    "policy": _beginning,
    "task": _beginning,
    "verdict": _outcome,
    "words": _phrase,
}


def _plays(ask: Query, rows: Sequence[Row]) -> tuple[ListedPlay, ...]:
    against = _against(ask, [str(row[1]) for row in rows])
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return tuple(
        ListedPlay.model_validate(
            {**record, "stored": _moment(record["stored"]), "failed": tuple(against.get(record["trajectory"], ()))}
        )
        for record in records
    )


def _against(ask: Query, ids: Sequence[str]) -> dict[str, list[str]]:
    """Name the checkers that failed each play."""
    reasons = dict[str, list[str]]()
    if ids:
        marks = ", ".join("?" * len(ids))
        statement = f"select distinct trajectory, checker from verdict where passed = 0 and trajectory in ({marks}) order by checker"  # noqa: S608, E501 - question marks
        for trajectory, checker in ask(statement, ids, rows=100 * len(ids)).rows:
            reasons.setdefault(trajectory, []).append(checker)
    return reasons


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _cursor(row: Row) -> str:
    return f"{row[0]}-{row[1]}"


def _read(cursor: str) -> Key:
    moment, _, trajectory = cursor.partition("-")
    if not (moment.isascii() and moment.isdecimal()) or len(moment) > 18 or not trajectory:  # noqa: PLR2004 - digits of a BIGINT
        raise UsageError(f"'{cursor:.60}' is not a cursor: give the `next` of an earlier page")
    return int(moment), trajectory


def wanted(given: Mapping[str, str]) -> PlayFilter:
    """Read a filter as a query or a form spells it: what is empty asks for nothing.

    Raises:
        ValidationError: a word or value is not one of ours.
    """
    return PlayFilter.model_validate({name: value for name, value in given.items() if value != ""})
