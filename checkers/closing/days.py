"""Days and times of day as people write them: 2026-06-15, June 15th, 15/06/2026, 14:30, 2.30 pm, noon."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from checkers.evidence.words import MONTHS

NAMES: Final = "|".join(f"{name}|{name[:3]}" for name in MONTHS) + "|sept"
DAY_NUMBER: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
YEAR: Final = r"(?:,?\s+(?P<year>\d{4}))?"
FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\b(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?=\D|$)",
        rf"\b(?P<name>{NAMES})\.?\s+(?:the\s+)?{DAY_NUMBER}\b(?!:){YEAR}",
        rf"\b{DAY_NUMBER}\s+(?:of\s+)?(?P<name>{NAMES})\b\.?{YEAR}",
        rf"\b{DAY_NUMBER}-(?P<name>{NAMES})-(?P<year>\d{{4}})\b",
    )
)
NUMERIC: Final = re.compile(r"(?<![\d/.-])(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?![\d/-])")
CLOCK: Final = re.compile(
    r"(?<![\d:.,])(\d{1,2})[:.h](\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(?P<half>[ap]\.?m\b\.?)?", re.IGNORECASE
)
HOUR: Final = re.compile(r"(?<![\d:.,])(\d{1,2})\s*(?:(?P<half>[ap]\.?m)\b\.?|o'clock)", re.IGNORECASE)
NAMED: Final = re.compile(r"\b(noon|midday|midnight)\b", re.IGNORECASE)


class Day(NamedTuple):
    """A day; the year is None where it is not said."""

    year: int | None
    month: int
    day: int

    def fits(self, other: "Day") -> bool:
        """Whether both may mean the same day."""
        return self[1:] == other[1:] and (None in (self.year, other.year) or self.year == other.year)


Span = tuple[int, int]
"""Where something begins and ends in a text."""


def days(text: str) -> Iterator[tuple[Span, Day]]:
    """Find the days in a text. A day in figures is given in both orders where it can be read in both."""
    for form in FORMS:
        for match in form.finditer(text):
            named = match.groupdict()
            month = _month(named["name"]) if named.get("name") else int(named["month"])
            year = int(named["year"]) if named["year"] else None
            yield from _real(match.span(), year, month, int(named["day"]))
    for match in NUMERIC.finditer(text):
        one, two, last = (int(group) for group in match.groups())
        year = last + 2000 * (last < 100)  # noqa: PLR2004 - two digits mean this century
        yield from _real(match.span(), year, one, two)
        if one != two:
            yield from _real(match.span(), year, two, one)


def _month(name: str) -> int:
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name.casefold()[:3]))


def _real(span: Span, year: int | None, month: int, day: int) -> Iterator[tuple[Span, Day]]:
    if 1 <= month <= len(MONTHS) and 1 <= day <= 31:  # noqa: PLR2004 - days of a month
        yield span, Day(year, month, day)


def times(text: str) -> Iterator[tuple[Span, int]]:
    """Find the times of day in a text, in minutes after midnight. Without am or pm, 2:30 may be either."""
    for match in CLOCK.finditer(text):
        if match["half"] or text[match.end(1)] != ".":
            yield from _minutes(match.span(), int(match[1]), int(match[2]), match["half"])
    for match in HOUR.finditer(text):
        yield from _minutes(match.span(), int(match[1]), 0, match["half"])
    for match in NAMED.finditer(text):
        yield match.span(), 0 if match[1].casefold() == "midnight" else 12 * 60


def _minutes(span: Span, hour: int, minute: int, half: str | None) -> Iterator[tuple[Span, int]]:
    if hour > 24 or minute > 59 or (half and not 1 <= hour <= 12):  # noqa: PLR2004 - the clock
        return
    if half:
        hour = hour % 12 + 12 * half.casefold().startswith("p")
    yield span, hour % 24 * 60 + minute
    if not half and 1 <= hour <= 12:  # noqa: PLR2004 - said without its half of the day
        yield span, (hour + 12) % 24 * 60 + minute


def read_moment(text: str) -> tuple[Day | None, int | None] | None:
    """Read a text that is nothing but a day, a time, or both; None where it is something else."""
    day = next(((span, day) for span, day in days(text)), None)
    rest = text[: day[0][0]] + text[day[0][1] :] if day else text
    time = next(((span, time) for span, time in times(rest.replace("T", " "))), None)
    left = rest[: time[0][0]] + rest[time[0][1] :] if time else rest
    if (day is None and time is None) or left.strip(" T,Zat"):
        return None
    return day[1] if day else None, time[1] if time else None
