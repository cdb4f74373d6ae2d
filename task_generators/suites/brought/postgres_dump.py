"""Read a small dump in PostgreSQL's dialect as SQLite: schema and rows, every date counted from one fixed day.

Not a translator of SQL: what dumps of benchmark data hold is rewritten (casts, schemas of names, serial numbers, dates
before the present one), and what is left must be SQLite's own. The day is fixed so that the same dump gives the same
rows tomorrow.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

TODAY: Final = datetime(2024, 6, 15, 12, 0, 0)  # noqa: DTZ001 - a day in a made-up database has no zone
LARGEST: Final = 2_000_000
"""Characters of a dump."""
MOST_PASSES: Final = 12
"""How deep expressions of dates are nested, at most."""

MOMENT: Final = r"'(\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?)'"
DROPPED: Final = re.compile(
    r"(?im)^\s*(?:create\s+schema|set|select\s+pg_catalog|alter\s+table|create\s+extension|drop\s+table|comment\s+on)\b[^;]*;"
)
SCHEMA: Final = re.compile(r"(?i)create\s+schema\s+(?:if\s+not\s+exists\s+)?(\w+)")
PLAIN: Final[tuple[tuple[str, str], ...]] = (
    (r"(?i)::\s*(?:character varying|double precision|\w+(?:\s*\(\d+(?:,\s*\d+)?\))?)", ""),
    (r"(?i)\bbigserial\b|\bserial\b", "INTEGER"),
    (r"(?i)\bif\s+not\s+exists\b", ""),
    (r"(?i)\bdefault\s+nextval\([^)]*\)", ""),
)


def sqlite_of(dump: str) -> str:
    """Rewrite a dump's statements.

    Raises:
        ValueError: it is too long.
    """
    if len(dump) > LARGEST:
        raise ValueError(f"a dump of more than {LARGEST} characters")
    schemas = "|".join(re.escape(name) for name in ("public", *SCHEMA.findall(dump)))
    text = re.sub(rf"(?i)\b(?:{schemas})\.(?=[\w\"])", "", DROPPED.sub("", dump))
    for pattern, instead in PLAIN:
        text = re.sub(pattern, instead, text)
    return _dated(text)


def _dated(text: str) -> str:
    """Put literals in place of whatever is computed from today, from the inside out."""
    text = re.sub(r"(?i)\bcurrent_date\b", f"'{TODAY:%Y-%m-%d}'", text)
    text = re.sub(r"(?i)\b(?:current_timestamp|now\(\))", f"'{TODAY:%Y-%m-%d %H:%M:%S}'", text)
    for _ in range(MOST_PASSES):
        before = text
        for pattern, reading in READINGS.items():
            text = re.sub(pattern, reading, text)
        if text == before:
            break
    return text


def _moved(match: re.Match[str]) -> str:
    number = int(match[3]) * (-1 if match[2] == "-" else 1)
    return _quoted(match[1], _after(_moment(match[1]), match[4].lower().rstrip("s"), number))


def _after(moment: datetime, unit: str, number: int) -> datetime:
    if unit in MONTHS:
        months = moment.year * 12 + moment.month - 1 + number * MONTHS[unit]
        year, month = divmod(months, 12)
        return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))
    return moment + timedelta(seconds=number * SECONDS[unit])


def _truncated(match: re.Match[str]) -> str:
    moment, unit = _moment(match[2]).replace(hour=0, minute=0, second=0), match[1].lower()
    if unit == "week":
        moment -= timedelta(days=moment.weekday())
    elif unit in {"month", "year"}:
        moment = moment.replace(day=1, month=moment.month if unit == "month" else 1)
    return _quoted(match[2], moment)


def _extracted(match: re.Match[str]) -> str:
    moment, field = _moment(match[2]), match[1].lower()
    fields = {"year": moment.year, "month": moment.month, "day": moment.day}
    return str(fields.get(field, int((moment - datetime(1970, 1, 1)).total_seconds())))  # noqa: DTZ001 - as above


def _spelt(match: re.Match[str]) -> str:
    spelling = match[2].replace("%i", "%M").replace("%s", "%S")  # some dumps spell it as MySQL does
    for theirs, ours in SPELLINGS.items():
        spelling = spelling.replace(theirs, ours)
    return f"'{_moment(match[1]):{spelling}}'"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _quoted(like: str, moment: datetime) -> str:
    return f"'{moment:%Y-%m-%d}'" if len(like) == len("YYYY-MM-DD") else f"'{moment:%Y-%m-%d %H:%M:%S}'"


MONTHS: Final[Mapping[str, int]] = {"month": 1, "year": 12}
SECONDS: Final[Mapping[str, int]] = {
    "second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3_600, "day": 86_400, "week": 604_800,
}  # fmt: skip
UNITS: Final = "|".join((*MONTHS, *SECONDS))
SPELLINGS: Final[Mapping[str, str]] = {
    "YYYY": "%Y", "MM": "%m", "DD": "%d", "HH24": "%H", "MI": "%M", "SS": "%S",
}  # fmt: skip
READINGS: Final[Mapping[str, Callable[[re.Match[str]], str]]] = {
    rf"(?i){MOMENT}\s*([-+])\s*interval\s*'(\d{{1,4}})\s*({UNITS})s?'": _moved,
    rf"(?i)date_trunc\(\s*'(\w+)'\s*,\s*{MOMENT}\s*\)": _truncated,
    rf"(?i)extract\(\s*(epoch|year|month|day)\s+from\s+{MOMENT}\s*\)": _extracted,
    rf"(?i)to_char\(\s*{MOMENT}\s*,\s*'([A-Za-z0-9% :/-]+)'\s*\)": _spelt,
    rf"(?<=[(,])(\s*)\(\s*{MOMENT}\s*\)": lambda found: f"{found[1]}'{found[2]}'",
}
