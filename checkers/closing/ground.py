"""What a message may state: the numbers and names that the user said, that results told, and that calls took.

A number or a name that stands nowhere in these, and is not reckoned from them where the message speaks of a sum or a
rest, is made up.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Final

from pydantic import JsonValue

from checkers.closing.days import Day, days, times
from checkers.closing.numerals import HEDGED_ERROR, Numeral, numerals
from checkers.closing.phrases import any_of, words_of
from checkers.closing.values import ClosingText, stem
from checkers.evidence.words import WORD, SaidText, contains

MAX_NUMERALS: Final = 200
MAX_NAMES: Final = 200
"""Numbers and names of a message that are looked up."""

MAX_NEAR: Final = 100
"""Known numbers that one of a message is held against."""

MAX_RECKONED: Final = 60
"""Known numbers that are combined with each other."""

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
FREE: Final = frozenset({0.0, 1.0})
FREE_IN_WORDS: Final = frozenset(["both", "pair", "couple", "once", "twice", "half", "quarter", "single", *ORDINALS])
"""Numbers in words that count what the sentence speaks of."""

QUOTED: Final = re.compile(r'"([^"\n]{1,300})"|(?<!\w)\'([^\'\n]{1,100})\'(?!\w)|`([^`\n]{1,300})`')
TOKEN: Final = re.compile(r"(?<![\w@#])[@#]?[\w~.][\w~./-]*")
CAPITALS: Final = 6
"""Letters of a symbol, at most: AAPL, USD."""

PERSON: Final = re.compile(r"\b(?:to|from|by|with|for|on|at|in|says?|named|called|user|contact)\s+([A-Z][a-z]{2,})\b")
EXPLAINED: Final = re.compile(r"(?: [A-Z][a-z]+){0,3} \([A-Z0-9]+\)")
"""What follows a name that is another one's explanation: San Francisco (SFO)."""


class Ground:
    """What has been said and seen up to a point of a play."""

    def __init__(self) -> None:
        """Start where nothing is known."""
        self.words: set[str] = set()
        self._stems: set[str] = set()
        self._texts: list[str] = []
        self._whole: set[str] = set()
        self._numbers: set[float] = set()
        self._days: list[Day] = []
        self._times: set[int] = set()

    def add(self, value: JsonValue) -> None:
        """Take in what was said, seen or taken."""
        for text in _walk(value):
            folded = text.casefold()
            if folded not in self._whole:
                self._learn(text, folded)
        self._numbers.update(_sizes(value))
        self.__dict__.pop("numbers", None)
        self.__dict__.pop("text", None)

    def count(self, sizes: Iterable[int]) -> None:
        """Take in how many there were of something."""
        self._numbers.update(map(float, sizes))

    def _learn(self, text: str, folded: str) -> None:
        words = WORD.findall(folded)
        self.words.update(words)
        self._stems.update(map(stem, words))
        self._whole.add(folded)
        self._texts.append(folded)
        self._numbers.update(reading.value for numeral in numerals(text) for reading in numeral.readings)
        self._numbers |= SaidText(text=text).numbers
        self._days += [day for _, day in days(text)]
        self._times.update(time for _, time in times(text))

    @cached_property
    def text(self) -> str:
        """Everything, without case, one line each."""
        return "\n".join(self._texts)

    @cached_property
    def numbers(self) -> list[float]:
        """Every number, in order."""
        return sorted(self._numbers)

    def strange_number(self, closing: ClosingText) -> str | None:
        """Find a number that nothing supplies. Parts that add up to a known number count what they are parts of."""
        numerals = closing.numerals[:MAX_NUMERALS]
        known = [
            (numeral.start, numeral.end)
            for numeral in numerals
            if _is_free(numeral, closing) or self._supplies(numeral)
        ]
        known += [span for span, day in closing.days if any(day.fits(known_day) for known_day in self._days)]
        known += [span for span, time in closing.times if time in self._times]
        strange = [
            numeral
            for numeral in numerals
            if not any(start <= numeral.start and numeral.end <= end for start, end in known)
            and not self._reckons(numeral, closing)
        ]
        if not strange or (len(strange) > 1 and sum(numeral.readings[0].value for numeral in strange) in self._numbers):
            return None
        return closing.plain[strange[0].start : strange[0].end]

    def _supplies(self, numeral: Numeral) -> bool:
        for value, unit, _ in (*numeral.readings, *numeral.shares):
            reach = max(unit / 2, HEDGED_ERROR * abs(value) if numeral.rough else 0) * (1 + 1e-9) + 1e-9 * abs(value)
            for sign in (1, -1):
                near = self._between(sign * value - reach, sign * value + reach)
                if any(numeral.means(sign * known) for known in near):
                    return True
        return False

    def _between(self, low: float, high: float) -> list[float]:
        """Give the nearest known numbers of a range."""
        start = bisect_left(self.numbers, low)
        return self.numbers[start : min(bisect_right(self.numbers, high), start + MAX_NEAR)]

    def _reckons(self, numeral: Numeral, closing: ClosingText) -> bool:
        """Whether a number is a sum, difference, product or quotient of two that are known, and told as such."""
        start = closing.folded.rfind("\n", 0, numeral.start) + 1
        if not any_of("reckoning").search(closing.folded[max(start, numeral.start - 150) : numeral.end + 80]):
            return False
        known = self.numbers if len(self.numbers) <= MAX_RECKONED else []
        return any(numeral.means(number) for one in known for two in known for number in _combined(one, two))

    def strange_name(self, closing: ClosingText) -> str | None:
        """Find a name that nothing supplies."""
        return next((name for name in islice(names(closing), MAX_NAMES) if not self.holds(name)), None)

    def holds(self, name: str) -> bool:
        """Whether a name was said or seen; one of several words in most of them."""
        folded = name.casefold().strip(" .,;:!?@#")
        words = WORD.findall(folded)
        if folded in words_of("common") or all(word in self.words or stem(word) in self._stems for word in words):
            return True
        return len(words) == 1 and contains(self.text, folded)


def _is_free(numeral: Numeral, closing: ClosingText) -> bool:
    """Whether a number needs no source."""
    word = closing.folded[numeral.start : numeral.end].removeprefix("a ")
    return numeral.readings[0].value in FREE or word in FREE_IN_WORDS


def names(closing: ClosingText) -> Iterator[str]:
    """Find what looks like a name in a message: quoted, a file, an identifier, capitals, whom something went to."""
    numbers = {index for numeral in closing.numerals for index in range(numeral.start, numeral.end)}
    for match in QUOTED.finditer(closing.text):
        yield next(group for group in match.groups() if group)
    for match in TOKEN.finditer(closing.plain):
        word = match[0].rstrip("./-~")
        if match.start() not in numbers and any(letter.isalpha() for letter in word) and _is_name(word):
            yield word
    yield from (match[1] for match in PERSON.finditer(closing.plain) if not EXPLAINED.match(closing.plain, match.end()))


def _is_name(word: str) -> bool:
    """Whether a word is spelt as names are: @ada, a_b, docs/a.txt, USR101, fuelLevel, AAPL."""
    if word[0] in "@#" or any(mark in word for mark in "_./"):
        return True
    if not word.isalnum():
        return False
    starts = word[0].isalpha() and not word.isalpha()
    humps = word[0].islower() and not word.islower()
    return starts or humps or (word.isupper() and 1 < len(word) <= CAPITALS)


def _walk(value: JsonValue) -> Iterator[str]:
    """Walk every key and scalar of a value as text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)
    elif value is not None:
        yield str(value)


def _sizes(value: JsonValue) -> Iterator[float]:
    """Count what stands in every list, and in every object of lists and objects."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, list) or (inner and all(isinstance(item, list | dict) for item in inner)):
        yield float(len(inner))
    for item in inner:
        yield from _sizes(item)


def _combined(one: float, two: float) -> Iterator[float]:
    yield from (one + two, one - two, one * two, one * two / 100)
    if two:
        yield from (one / two, 100 * one / two)
