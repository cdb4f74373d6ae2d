"""Whether a message tells a value, in any usual spelling.

Numbers are told rounded to the digits that are shown, days and times in any order and form, names in any case and with
or without quotes, lists in any order, yes and no by a word or by the polarity of the sentence. A long text is told by
most of its words and all of its numbers.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Final

from pydantic import JsonValue

from checkers.closing.days import Day, Span, days, read_moment, times
from checkers.closing.numerals import Numeral, numerals, says_nothing
from checkers.closing.phrases import any_of, opposites
from checkers.closing.prose import plain, sentences, without_emphasis
from checkers.evidence.words import WORD, contains
from loop.types import Record

FREE_WORDS: Final = 5
"""From how many words on a text may be told in other words."""

TOLD_SHARE: Final = 0.75
"""Share of the words of such a text that must be there."""

MAX_PARTS: Final = 500
"""Parts of a value that are looked for."""

MAX_SHOWN: Final = 80

HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
NUMBER: Final = re.compile(r"[-+]?[$€£¥]?\d[\d,]*(?:\.\d+)?%?")
PERCENT: Final = re.compile(r"percent|per cent|%", re.IGNORECASE)
NEGATED: Final = re.compile(
    r"(?:\b(?:not|never|no longer|neither|nor)|n't)[^\S\n]+"
    r"(?:(?!(?:and|but|while|whereas|so)\b)\w+[^\S\n]+){0,2}[\"'(]*$"
)
"""What denies the value after it. A conjunction and the end of a line end its reach: "does not start and X" says
nothing against X."""
NEGATION: Final = re.compile(r"\b(?:not|no|never|none|neither|nor|without|cannot|false|(?:logged|signed) out)\b|n't\b")
TRUTH: Final = re.compile(r"\b(?:true|yes|false|no)\b")


class ClosingText(Record):
    """A closing message, and what can be read in it."""

    text: str

    @cached_property
    def plain(self) -> str:
        """The message without Markdown."""
        return plain(self.text)

    @cached_property
    def folded(self) -> str:
        """The same without case."""
        return self.plain.casefold()

    @cached_property
    def sentences(self) -> list[str]:
        """Its sentences, without case."""
        return sentences(self.folded)

    @cached_property
    def spoken(self) -> str:
        """Its words, with one blank between two."""
        return " ".join(WORD.findall(self.folded))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of letters and digits."""
        return frozenset(WORD.findall(self.folded))

    @cached_property
    def numerals(self) -> list[Numeral]:
        """Its numbers."""
        return numerals(self.plain)

    @cached_property
    def days(self) -> list[tuple[Span, Day]]:
        """Its days."""
        return [*days(self.plain)]

    @cached_property
    def times(self) -> list[tuple[Span, int]]:
        """Its times of day, in minutes."""
        return [*times(self.plain)]

    def missing(self, value: JsonValue, question: str) -> str | None:
        """Name the first part of a value that is not told; None where all of it is."""
        parts = islice(_parts(value, question), MAX_PARTS)
        return next((str(part)[:MAX_SHOWN] for part, about in parts if not self._tells(part, about)), None)

    def _tells(self, value: JsonValue, question: str) -> bool:
        if isinstance(value, bool):
            return self.affirms(question) is value
        if value is None or value in ([], {}, ""):
            return says_nothing(self.folded) or self.affirms(question) is False
        if isinstance(value, int | float):
            return self.tells_number(float(value), of_hundred=PERCENT.search(question) is not None)
        return self.tells_text(str(value))

    def tells_number(self, value: float, *, of_hundred: bool = False) -> bool:
        """Whether the number is there. One `of_hundred` is in percent already: 5 % is 5 then, and never 0.05."""
        if value == 0 and says_nothing(self.folded):
            return True
        numerals = (numeral._replace(shares=()) if of_hundred else numeral for numeral in self.numerals)
        return any(self._states(numeral, value) for numeral in numerals)

    def _states(self, numeral: Numeral, value: float) -> bool:
        before = self.folded[max(0, numeral.start - 30) : numeral.start]
        if NEGATED.search(before):
            return False
        return numeral.means(value) or (
            value < 0 and numeral.means(-value) and any_of("loss").search(self.folded) is not None
        )

    def tells_text(self, value: str) -> bool:
        """Whether a text is there: as it stands, as a number, a day or a time, or in most of its words."""
        wanted = plain(value).casefold().strip(" \n.\"'")
        if self._holds(wanted) or self._holds(without_emphasis(wanted)):
            return True
        if NUMBER.fullmatch(value.strip()):
            return self.tells_number(float(value.strip().replace(",", "").strip("$€£¥%+").replace("-$", "-")))
        if (moment := read_moment(value)) is not None:
            return self._tells_moment(*moment)
        words = WORD.findall(wanted)
        if words and contains(self.spoken, " ".join(words)):
            return not self._denied(words[-1])
        return self._tells_words(words) if len(words) >= FREE_WORDS else self._tells_inflected(words)

    def _holds(self, wanted: str) -> bool:
        text, start = self.folded, self.folded.find(wanted) if wanted else -1
        while start >= 0:
            end = start + len(wanted)
            if _is_apart(text, start, end) and not NEGATED.search(text[max(0, start - 30) : start]):
                return True
            start = text.find(wanted, start + 1)
        return False

    def _denied(self, word: str) -> bool:
        at = self.folded.find(word)
        return NEGATED.search(self.folded[max(0, at - 30) : at]) is not None

    def _tells_moment(self, day: Day | None, time: int | None) -> bool:
        has_day = day is None or any(day.fits(known_day) for _, known_day in self.days)
        return has_day and (not time or any(known_time == time for _, known_time in self.times))

    def _tells_words(self, words: list[str]) -> bool:
        """Whether most words of a long text are there, and every number."""
        present = sum(word in self.words for word in words)
        numbers = all(word in self.words for word in words if word.isdecimal())
        return numbers and present >= TOLD_SHARE * len(words)

    def _tells_inflected(self, words: list[str]) -> bool:
        """Whether a word is there in another form: pending, canceled, locks."""
        stems = {stem(word) for word in self.words}
        return len(words) == 1 and words[0].isalpha() and stem(words[0]) in stems and not self._denied(words[0])

    def affirms(self, question: str) -> bool | None:
        """Say whether the message affirms what was asked; None where it does not say."""
        start = self.folded.lstrip(" \n\"'(")
        if any_of("yes").match(start) or any_of("no").match(start):
            return any_of("yes").match(start) is not None
        asked = {stem(word) for word in WORD.findall(question.casefold()) if len(word) > 2}  # noqa: PLR2004 - a, is, my
        about = [
            line for line in self.sentences if asked & {stem(word) for word in WORD.findall(line)} or TRUTH.search(line)
        ]
        words = {stem(word) for line in about for word in WORD.findall(line)}
        turned = any(asked & _stems(pair) and (words & _stems(pair)) - asked for pair in opposites())
        if turned or any(NEGATION.search(line) for line in about):
            return False
        return True if about or TRUTH.search(self.folded) else None


def _is_apart(text: str, start: int, end: int) -> bool:
    """Whether a part of a text does not begin or end inside a word or a number."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    digits = text[end : end + 2]
    goes_on = after.isalnum() and text[end - 1].isalnum()
    is_decimal = text[end - 1].isdecimal() and len(digits) > 1 and digits[0] in ".," and digits[1].isdecimal()
    was_decimal = text[start].isdecimal() and before in {".", ","} and text[max(0, start - 2) : start - 1].isdecimal()
    return not (goes_on or is_decimal or was_decimal or (before.isalnum() and text[start].isalnum()))


def _parts(value: JsonValue, question: str) -> Iterator[tuple[JsonValue, str]]:
    """Walk the scalars of a value, each with what it answers; an empty list or object is a part of its own."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _parts(inner, HUMP.sub(" ", key).replace("_", " "))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _parts(inner, question)
    else:
        yield value, question


def _stems(words: Iterable[str]) -> set[str]:
    return {stem(word) for word in words}


def stem(word: str) -> str:
    """Cut a word's usual endings off, so that forms of one word are alike."""
    for ending in ("ations", "ation", "ings", "ing", "ies", "led", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004 - what is left tells words apart
            cut = word[: -len(ending)]
            return cut[:-1] if len(cut) > 3 and cut[-1] == cut[-2] else cut  # noqa: PLR2004 - cancelled, canceled
    return word
