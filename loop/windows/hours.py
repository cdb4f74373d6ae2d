"""Hours of the week by the wall clock: `22:00-07:00`, `mon-fri 22:00-07:00`, `sat,sun 00:00-24:00`.

A range whose end is not after its beginning runs over midnight and belongs to the day on which it begins. What counts
is what the clock on the wall shows: where it is put forward, the skipped minutes never come; where it is put back, the
repeated ones come twice.
"""

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from loop.types import Record

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPELLED: Final = re.compile(
    r"(?:(?P<days>[a-z,\s-]+?)\s+)?(?P<begin>\d\d?:\d\d)\s*-\s*(?P<end>\d\d?:\d\d)", re.IGNORECASE
)
LONGEST: Final = 80
"""Characters."""
DAY: Final = 24 * 60
AHEAD: Final = 15 * DAY
"""Minutes that are looked ahead: an hour of one weekday, which the clock skips this week, comes within two."""


class Hours(Record):
    """A range of hours on some days of the week."""

    days: frozenset[int]
    """Days on which it begins; Monday is 0."""
    begin: int
    """Minutes after midnight."""
    end: int
    """Minutes after midnight; where it is not after the beginning, of the next day."""

    def holds(self, moment: datetime) -> bool:
        """Whether a moment of the wall clock lies within."""
        day, minute = moment.weekday(), moment.hour * 60 + moment.minute
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)


def parse(text: str) -> Hours:
    """Read hours.

    Raises:
        ValueError: they are not spelled like that.
    """
    match = SPELLED.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        raise ValueError(f"'{text[:LONGEST]}' are no hours; write 22:00-07:00, or mon-fri 22:00-07:00")
    begin, end = _minutes(match["begin"]), _minutes(match["end"])
    if begin in {end, DAY}:
        raise ValueError(f"'{text}' says no range; a whole day is 00:00-24:00")
    return Hours(days=_days(match["days"] or "mon-sun"), begin=begin, end=end)


def spelled(text: str) -> str:
    """Make sure that hours can be read, and give them as they are.

    Raises:
        ValueError: they cannot.
    """
    parse(text)
    return text


def within(hours: Sequence[Hours], moment: float, zone: tzinfo | None = None) -> bool:
    """Whether a moment lies within any of the hours.

    Args:
        hours: the ranges.
        moment: seconds since the epoch.
        zone: whose wall clock; None for this machine's.
    """
    there = datetime.fromtimestamp(moment, zone)
    return any(each.holds(there) for each in hours)


def opens(hours: Sequence[Hours], moment: float, zone: tzinfo | None = None) -> float | None:
    """Give the first full minute from a moment on that lies within the hours; None where none comes within two weeks.

    Every minute is looked at, which takes milliseconds and knows every way in which clocks are put forward and back.
    """
    first = int(moment // 60) * 60 + 60
    minutes = (float(each) for each in range(first, first + AHEAD * 60, 60))
    return next((each for each in minutes if within(hours, each, zone)), None)


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute >= 60 or hour * 60 + minute > DAY:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"'{text}' is no time of a day")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    return frozenset(day for part in text.lower().split(",") for day in _range(part.strip()))


def _range(text: str) -> Sequence[int]:
    first, dash, last = (part.strip() for part in text.partition("-"))
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"'{text}' is no day of the week; the days are {', '.join(DAYS)}")
    begin = DAYS.index(first)
    count = (DAYS.index(last) - begin) % 7 + 1 if dash else 1
    return [(begin + each) % 7 for each in range(count)]
