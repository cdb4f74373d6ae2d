"""What a text says: whether a value stands in a user's words, as a person would say it.

Numbers are said as digits, with commas, as words, in thousands, as percentages; names with blanks for underscores;
days by their month's name. Each such reading is a stated rule, and the answer names it.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from loop.types import Record

NUMBER: Final = re.compile(
    r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th|k|m)?(?![\w])(?:\s*(?:%|percent\b|per cent\b))?", re.IGNORECASE
)
WORD: Final = re.compile(r"[^\W_]+")
LEADING: Final = re.compile(r"-?\d+(?:\.\d+)?")
DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2})?)?")

UNITS: Final = MappingProxyType(
    {
        "zero": 0,
        "one": 1,
        "first": 1,
        "once": 1,
        "single": 1,
        "two": 2,
        "second": 2,
        "twice": 2,
        "both": 2,
        "pair": 2,
        "couple": 2,
        "three": 3,
        "third": 3,
        "thrice": 3,
        "four": 4,
        "fourth": 4,
        "five": 5,
        "fifth": 5,
        "six": 6,
        "sixth": 6,
        "seven": 7,
        "seventh": 7,
        "eight": 8,
        "eighth": 8,
        "nine": 9,
        "ninth": 9,
        "ten": 10,
        "tenth": 10,
        "eleven": 11,
        "twelve": 12,
        "dozen": 12,
        "thirteen": 13,
        "fourteen": 14,
        "fifteen": 15,
        "sixteen": 16,
        "seventeen": 17,
        "eighteen": 18,
        "nineteen": 19,
        "twenty": 20,
    }
)
"""Small numbers as people say them."""

TENS: Final = MappingProxyType(
    {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
)
LARGE: Final = MappingProxyType({"hundred": 100, "thousand": 1_000, "million": 1_000_000, "half": 0.5, "quarter": 0.25})
TIMES: Final = MappingProxyType(
    {
        "half": 2,
        "halve": 2,
        "halved": 2,
        "double": 2,
        "doubled": 2,
        "triple": 3,
        "tripled": 3,
        "quarter": 4,
        "quadruple": 4,
    }
)
"""Words for dividing and multiplying, by what."""
MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)

FREE_WORDS: Final = 4
"""From how many words on a text is something that its author composes."""


class SaidText(Record):
    """A text, and what can be read from it."""

    text: str

    @cached_property
    def folded(self) -> str:
        """The text without case."""
        return self.text.casefold()

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of letters and digits."""
        return frozenset(WORD.findall(self.folded))

    @cached_property
    def numbers(self) -> frozenset[float]:
        """Every number that the text says, in digits or in words."""
        return frozenset([*self._digits(), *self._spelt()])

    def _digits(self) -> Iterator[float]:
        for digits in NUMBER.findall(self.folded):
            bare = LEADING.match(digits.replace(",", ""))
            number = float(bare[0]) if bare else 0.0
            scale = {"k": 1_000, "m": 1_000_000}.get(digits[-1], 1)
            yield number * scale
            if digits.endswith(("%", "percent", "cent")):
                yield number / 100

    def _spelt(self) -> Iterator[float]:
        words = WORD.findall(self.folded)
        known = {**UNITS, **TENS, **LARGE}
        yield from (table[word] for word in words for table in (known, TIMES) if word in table)
        for one, two in pairwise(words):
            if (one in TENS or one == "twenty") and two in UNITS:
                yield known[one] + UNITS[two]
            if two in LARGE and (one in UNITS or one in TENS or one.isdecimal()):
                yield (float(one) if one.isdecimal() else known[one]) * LARGE[two]

    def says(self, value: JsonValue) -> str | None:
        """Name the reading by which the text says a value; None where it does not."""
        if isinstance(value, int | float):
            return "number" if value in self.numbers else None
        return self._says_text(value) if isinstance(value, str) else None

    def _says_text(self, value: str) -> str | None:
        folded = value.casefold().strip()
        if contains(self.folded, folded):
            return "verbatim"
        words = WORD.findall(folded)
        if words and contains(" ".join(WORD.findall(self.folded)), " ".join(words)):
            return "spelling"
        if (day := DAY.fullmatch(value)) and self._says_day(*day.groups()):
            return "day"
        return "number" if folded.replace(".", "", 1).isdecimal() and float(folded) in self.numbers else None

    def _says_day(self, year: str, month: str, day: str, hour: str | None, minute: str | None) -> bool:
        name = MONTHS[int(month) - 1] if 1 <= int(month) <= len(MONTHS) else ""
        has_month = bool({name, name[:3]} & self.words) or float(month) in self.numbers
        clock = hour is None or f"{int(hour)}:{minute}" in self.text or f"{hour}:{minute}" in self.text
        return float(year) in self.numbers and has_month and float(day) in self.numbers and clock


def contains(text: str, part: str) -> bool:
    """Whether a text holds a part that does not begin or end inside a word."""
    start = text.find(part) if part else -1
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(part) : start + len(part) + 1]
        if not (before.isalnum() and part[0].isalnum()) and not (after.isalnum() and part[-1].isalnum()):
            return True
        start = text.find(part, start + 1)
    return False


def is_composed(value: JsonValue) -> bool:
    """Whether a value is a text of several words, which its author puts together."""
    return isinstance(value, str) and len(value.split()) >= FREE_WORDS


def leaves(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Walk the scalars of a JSON value, each with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
