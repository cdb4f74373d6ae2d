"""When two texts count as the same: BFCL's rule, and the forgiving ones, each by its name."""

import re
from collections.abc import Set as AbstractSet
from typing import Final

from checkers.single_turn.countries import with_full_names
from loop.types import Record

RULES: Final = ("nested", "implicit_multiplication", "country_aliases", "supersets", "whole_numbers")
"""The forgiving rules, in the order in which a report lists them."""

DROPPED: Final = str.maketrans("'", '"', " ,./-_*^")
"""BFCL's rule drops these characters and takes one quotation mark for the other."""

SIGNS: Final = str.maketrans(
    {"·": "*", "\u00d7": "*", "⋅": "*", "\u2212": "-", "²": "^2", "³": "^3", " ": None, "\t": None}
)
JOINED: Final = re.compile(r"(?<=[0-9)])\*(?=[a-z(])|(?<=[a-z])\*(?=\()")
WORD: Final = re.compile(r"\w+")
REVERSING: Final = frozenset({"not", "no", "without", "except", "never", "non", "but"})
MOST_ADDED: Final = 6
"""Words that a fuller answer may add."""


class Texts(Record):
    """Compares texts under some of the rules."""

    rules: AbstractSet[str] = frozenset()
    said: frozenset[str] = frozenset()
    """The user's words: what a fuller answer may take its further words from."""
    spoken: str = ""
    """The same in their order, with one blank between two: a fuller answer for a single word must stand in it."""

    def same(self, value: str, right: str) -> bool:
        """Whether an answer's text counts as the right one, where BFCL forgives spelling."""
        return standard(value) == standard(right) or self.forgiven(value, right)

    def forgiven(self, value: str, right: str) -> bool:
        """Whether a rule beyond BFCL's makes the texts the same."""
        return (
            ("implicit_multiplication" in self.rules and _formula(value) == _formula(right))
            or ("country_aliases" in self.rules and with_full_names(value) == with_full_names(right))
            or ("supersets" in self.rules and self._fuller(value, right))
        )

    def _fuller(self, value: str, right: str) -> bool:
        """Whether the answer holds all the words of a right one, and adds only what the user said.

        A single word is held by too much: there the whole answer must be what the user said, word for word.
        """
        mine, wanted = WORD.findall(value.lower()), WORD.findall(right.lower())
        starts = range(len(mine) - len(wanted) + 1)
        if len(mine) > len(wanted) + MOST_ADDED or not wanted:
            return False
        if len(wanted) == 1 and f" {' '.join(mine)} " not in f" {self.spoken} ":
            return False
        at = next((start for start in starts if mine[start : start + len(wanted)] == wanted), None)
        if at is None:
            return False
        added = {*mine[:at], *mine[at + len(wanted) :]}
        return added <= self.said and not added & REVERSING


def texts_of(said: str, rules: AbstractSet[str]) -> Texts:
    """Compare texts under some rules where the user said this."""
    words = WORD.findall(said.lower())
    return Texts(rules=rules, said=frozenset(words), spoken=" ".join(words))


def standard(text: str) -> str:
    """Spell a text as BFCL compares it: without spaces and some punctuation, in small letters."""
    return text.translate(DROPPED).lower()


def _formula(text: str) -> str:
    """Spell a formula in one way: `**` as `^`, one sign for a product, and none where two factors stand together."""
    return JOINED.sub("", text.lower().translate(SIGNS).replace("**", "^"))
