"""The words of a play, spelled so that every database's index takes them apart alike: small ASCII letters and digits.

A word is a run of letters and digits. A character of a script that puts no spaces between its words is a word of its
own. What is no ASCII is spelled by its number.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

WORD: Final = re.compile(r"[^\W_]+")
PART: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
    "|[^\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
LONGEST: Final = 40
"""Letters of a word that count."""
MOST: Final = 10_000
"""Different words of a play that are indexed; a text vector of PostgreSQL holds a megabyte."""


class Sought(NamedTuple):
    """The words of a phrase that somebody looks for."""

    whole: tuple[str, ...]
    begun: str
    """The last word, where the phrase ends within it; empty where it ends behind it."""


def spelled(texts: Iterable[str]) -> str:
    """Give the different words of texts, in the order in which they come, with a space between them."""
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(_words(text)))
        if len(found) > MOST:
            break
    return " ".join(list(found)[:MOST])


def sought(phrase: str) -> Sought | None:
    """Take a phrase apart; None where there is no word in it.

    A single letter at the end says little and is looked for by itself only.
    """
    words = list(_words(phrase))
    if not words:
        return None
    if not WORD.fullmatch(phrase[-1]):
        return Sought(tuple(words), "")
    *whole, last = words
    if len(last) == 1:
        return Sought(tuple(whole) or (last,), "")
    return Sought(tuple(whole), last)


def _words(text: str) -> Iterator[str]:
    for word in WORD.findall(text.lower().replace("\u03c2", "\u03c3")):  # a small sigma depends on what follows
        if word.isascii():
            yield word[:LONGEST]
        else:
            yield from (_in_ascii(part)[:LONGEST] for part in PART.findall(word))


def _in_ascii(word: str) -> str:
    return "".join(letter if letter.isascii() else f"u{ord(letter):x}u" for letter in word)
