"""Numbers as people write them: 1,234.50, 1.234,50, 12 446, $3.2 million, 5 %, twenty-five, two and a half, a dozen.

A spelling may be read in more than one way (1.234 is a decimal here and a thousand there), so a numeral has readings.
Every function is linear in the text.
"""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from checkers.evidence.words import TENS, UNITS

CURLY: Final = "\u2019"
GAP: Final = "\u00a0\u202f\u2009"
"""Spaces that do not break a line: they group digits."""

DIGITS: Final = re.compile(
    rf"(?<![\w.])(?P<sign>[-\u2212]\s?)?(?P<currency>[$€£¥₹]\s?)?(?P<minus>[-\u2212])?"
    rf"(?P<body>\d+(?:[.,'{CURLY}{GAP}]\d+)*)(?P<power>e[+-]?\d{{1,3}})?"
    r"(?P<percent>\s?%)?(?P<unit>\s?[a-z°]{1,8})?",
    re.IGNORECASE,
)
LISTED: Final = re.compile(r"\d+(?:,\d+)+")
SPACED: Final = re.compile(r"(?<![\w.,])\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?![\w])")
HEDGE: Final = re.compile(
    r"(?:about|around|roughly|approximately|approx\.?|nearly|almost|some|circa|ca\.?|over|under|just|~|≈|close to"
    r"|more than|less than)\s*$",
    re.IGNORECASE,
)
WORDS: Final = re.compile(r"[^\W_]+")
SCALES: Final = MappingProxyType(
    {
        "k": 3,
        "thousand": 3,
        "grand": 3,
        "m": 6,
        "mn": 6,
        "mio": 6,
        "million": 6,
        "b": 9,
        "bn": 9,
        "billion": 9,
        "trillion": 12,
        "hundred": 2,
    }
)
ORDINARY: Final = frozenset({"this", "that", "which", "another", "every", "each", "other", "no", "the"})
"""Words before "one" that make it no number."""

NOUGHT: Final = re.compile(
    r"\b(?:zero|none|nothing|nobody|empty|neither|nowhere)\b|(?:\bnot|n't|\bwithout|\bnever)\s+(?:\w+\s+){0,2}any\b"
    r"|\bno\s+(?!problem|worries|doubt|longer|idea|need)\w+",
    re.IGNORECASE,
)

HEDGED_ERROR: Final = 0.02
"""Share by which a number that is called rough may differ."""

TELLING_DIGITS: Final = 3
"""Digits from which on a whole number may stand for one with decimals."""

MAX_POWER: Final = 300


class NumeralReading(NamedTuple):
    """One way to read a numeral."""

    value: float
    unit: float
    """The place value of the last digit that is shown: 0.01 for 3.14, 100,000 for 1.2 million."""
    digits: int
    """How many digits are shown, zeros at the front and, before a decimal point, at the end left out."""


class Numeral(NamedTuple):
    """A number in a text."""

    start: int
    end: int
    readings: tuple[NumeralReading, ...]
    shares: tuple[NumeralReading, ...] = ()
    """What it is as a share of one, where it is in percent."""
    rough: bool = False
    """Whether the text calls it rough."""
    spelt: bool = False
    """Whether it is written in words."""

    def means(self, value: float) -> bool:
        """Whether this is a usual way to write a number: exactly, or rounded to the digits that are shown."""
        readings = (*self.readings, *self.shares)
        return any(_same(reading, value) or _rounds(reading, value, rough=self.rough) for reading in readings)


def _same(reading: NumeralReading, value: float) -> bool:
    return abs(reading.value - value) <= 1e-9 * max(1.0, abs(value))


def _rounds(reading: NumeralReading, value: float, *, rough: bool) -> bool:
    """Whether a reading is a value rounded to the digits that are shown, and shows enough of them."""
    off = abs(reading.value - value)
    if rough and off <= HEDGED_ERROR * abs(value):
        return True
    if reading.value == 0 or off > reading.unit / 2 * (1 + 1e-9):
        return False
    return (
        reading.unit < 1
        or (reading.digits >= (2 if reading.unit > 1 else TELLING_DIGITS) and value % 1 != 0)
        or (reading.unit > 1 and reading.digits > 1)
    )


def numerals(text: str) -> list[Numeral]:
    """Find every number in a text, in order of where it begins."""
    sequence = sorted([*_in_digits(text), *_spaced(text), *_in_words(text.casefold())])
    return sorted([*sequence, *_with_cents(text, sequence), *_with_parts(text, sequence)])


CENTS: Final = re.compile(r"\s*(?:dollars?|euros?|pounds?|bucks)(?:,| and|, and)?\s+", re.IGNORECASE)


def _with_cents(text: str, numerals: Sequence[Numeral]) -> Iterator[Numeral]:
    """Put ten dollars and fifty cents together."""
    for one, two in pairwise(numerals):
        if CENTS.fullmatch(text, one.end, two.start) and text[two.end : two.end + 5].casefold() == " cent":
            value = one.readings[0].value + two.readings[0].value / 100
            yield Numeral(one.start, two.end, (NumeralReading(value, 0.01, TELLING_DIGITS),), spelt=True)


def says_nothing(text: str) -> bool:
    """Whether a text says that there is none, nothing, or nobody."""
    return NOUGHT.search(text) is not None


def _in_digits(text: str) -> Iterator[Numeral]:
    for match in DIGITS.finditer(text):
        unit = (match["unit"] or "").strip().casefold()
        after = text[match.end() : match.end() + 1]
        if unit and (after.isalnum() or after == "_") and not (match["unit"] or "").startswith(" "):
            continue  # a name that begins with a digit
        if LISTED.fullmatch(match["body"]) and not _readings(match["body"]):
            yield from (Numeral(item.start(), item.end(), (_reading(item[0], ""),)) for item in _each(text, match))
            continue
        negative = bool(match["sign"] or match["minus"])
        readings = _scaled(_readings(match["body"]), match["power"], unit)
        signed = tuple(reading._replace(value=-reading.value) if negative else reading for reading in readings)
        if signed:
            in_percent = match["percent"] or unit in {"percent", "per"}
            shares = [
                NumeralReading(numeral.value / 100, numeral.unit / 100, numeral.digits)
                for numeral in signed
                if in_percent
            ]
            yield Numeral(match.start(), match.end("body"), signed, tuple(shares), _is_rough(text, match.start()))


def _with_parts(text: str, numerals: Sequence[Numeral]) -> Iterator[Numeral]:
    """Put 250 and a half together."""
    for one, two in pairwise(numerals):
        part = two.readings[0].value
        if two.spelt and part in PARTS and text[one.end : two.start].strip().casefold() == "and":
            yield Numeral(
                one.start, two.end, (NumeralReading(one.readings[0].value + part, 0.01, TELLING_DIGITS),), spelt=True
            )


PARTS: Final = frozenset({0.5, 0.25, 0.75})


def _each(text: str, match: re.Match[str]) -> Iterator[re.Match[str]]:
    return re.compile(r"\d+").finditer(text, match.start("body"), match.end("body"))


def _scaled(readings: list[NumeralReading], power: str | None, unit: str) -> list[NumeralReading]:
    exponent = int(power[1:]) if power else SCALES.get(unit, 0)
    if not exponent or abs(exponent) > MAX_POWER:
        return readings
    factor = 10.0**exponent
    return [NumeralReading(reading.value * factor, reading.unit * factor, reading.digits) for reading in readings]


def _is_rough(text: str, start: int) -> bool:
    return HEDGE.search(text[max(0, start - 20) : start]) is not None


def _readings(body: str) -> list[NumeralReading]:
    """Read a run of digits and marks between them in every usual way."""
    parts = re.split(rf"[.,'{CURLY}{GAP}]", body)
    marks = [mark for mark in body if not mark.isdigit()]
    if len(body) > MAX_POWER:
        return []
    if not marks:
        return [_reading(body, "")]
    readings: list[NumeralReading] = []
    grouped = len(parts[0]) <= 3 and all(len(part) == 3 for part in parts[1:])  # noqa: PLR2004 - thousands
    indian = len(parts[-1]) == 3 and all(len(part) == 2 for part in parts[1:-1])  # noqa: PLR2004 - lakhs and crores
    if len(set(marks)) == 1 and (grouped or (marks[0] == "," and len(parts) > 2 and indian)):  # noqa: PLR2004 - the same
        readings.append(_reading("".join(parts), ""))
    thousands = readings and marks[-1] == "," and parts[0].strip("0")
    if marks[-1] in ".," and marks.count(marks[-1]) == 1 and _is_grouped(parts[:-1]) and not thousands:
        readings.append(_reading("".join(parts[:-1]), parts[-1]))
    return readings


def _is_grouped(parts: Sequence[str]) -> bool:
    return len(parts) == 1 or (len(parts[0]) <= 3 and all(len(part) in (2, 3) for part in parts[1:]))  # noqa: PLR2004


def _reading(whole: str, decimals: str) -> NumeralReading:
    shown = (whole + decimals).lstrip("0")
    digits = len(shown) if decimals else len(shown.rstrip("0"))
    return NumeralReading(float(f"{whole}.{decimals or 0}"), 10.0 ** -len(decimals), digits)


def _spaced(text: str) -> Iterator[Numeral]:
    """Find numbers whose thousands are set apart by blanks."""
    for match in SPACED.finditer(text):
        for reading in _readings(match[0].replace(" ", "")):
            yield Numeral(match.start(), match.end(), (reading,), rough=_is_rough(text, match.start()))


# --- in words --------------------------------------------------------------------------------------------------------

SMALL: Final = MappingProxyType({**UNITS, **TENS})
BIG: Final = MappingProxyType({"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 1_000_000})
SHARES: Final = MappingProxyType({"half": 0.5, "quarter": 0.25, "quarters": 0.25, "thirds": 1 / 3, "tenths": 0.1})
"""Parts of a whole: added after "and a", multiplied after a number."""


class Spelling:
    """A number in words, as it is read word by word."""

    def __init__(self) -> None:
        self.value, self._group, self._last = 0.0, 0.0, math.inf

    def take(self, word: str, *, added: bool) -> bool:
        """Go on with a word; False where it does not belong to the number. `added`: "and a" stands before it."""
        if word in SHARES:
            grown = self._group + SHARES[word] if added else (self._group or 1) * SHARES[word]
            self.value, self._group = self.value + grown - self._group, grown
        elif word in BIG and (number := BIG[word]) != self._last:
            self._multiply(number)
        elif word in SMALL and (number := SMALL[word]) < 100 and self._fits(number):  # noqa: PLR2004 - all are
            self._group, self._last = self._group + number, number
            self.value += number
        else:
            return False
        return True

    def _multiply(self, number: int) -> None:
        """Multiply what was said since the last thousand."""
        grown = (self._group or 1) * number
        self.value += grown - self._group
        self._group, self._last = (0.0 if number >= 1_000 else grown), number  # noqa: PLR2004 - a thousand ends a group

    def _fits(self, number: float) -> bool:
        """Whether a small number goes on: twenty five, two hundred six; not two three, not five twenty."""
        return self._last >= 100 or (self._last >= 20 and self._last % 10 == 0 and number < 10)  # noqa: PLR2004


def _in_words(folded: str) -> Iterator[Numeral]:
    words = [*WORDS.finditer(folded)]
    place = 0
    while place < len(words):
        end, value = _spelt(folded, words, place)
        if end > place and not _is_pronoun(words, place, end) and not _is_scale(folded, words[place]):
            reading = NumeralReading(value, 1.0, TELLING_DIGITS)
            start = words[place].start()
            yield Numeral(start, words[end - 1].end(), (reading,), rough=_is_rough(folded, start), spelt=True)
        place = max(end, place + 1)


def _spelt(text: str, words: Sequence[re.Match[str]], index: int) -> tuple[int, float]:
    """Read a number in words from a place on: the place behind it, and what it is."""
    spelling, end, joined, at = Spelling(), index, "", index
    while at < len(words) and (at == index or not text[words[at - 1].end() : words[at].start()].strip(" -")):
        word = words[at][0]
        if word in JOINING and (word == "a" or end > index) and len(joined) < len("anda"):
            joined += word
        elif spelling.take(word, added=joined.endswith("anda")):
            end, joined = at + 1, ""
        else:
            break
        at += 1
    return end, spelling.value


JOINING: Final = frozenset({"and", "a"})


def _is_scale(text: str, word: re.Match[str]) -> bool:
    """Whether it is the "million" of "3.2 million"."""
    return word[0] in BIG and text[max(0, word.start() - 3) : word.start()].rstrip()[-1:].isdecimal()


def _is_pronoun(words: Sequence[re.Match[str]], index: int, end: int) -> bool:
    """Whether it is the "one" of "this one"."""
    return words[index][0] == "one" and end == index + 1 and index > 0 and words[index - 1][0] in ORDINARY
