"""What a message does: refuses, promises, asks, claims to have done something. By the phrases of `phrases.toml`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from checkers.closing.phrases import any_of, claims_by_word, phrases, words_of
from checkers.closing.values import stem
from checkers.evidence.words import WORD

SAID: Final = re.compile(r"[a-z']+|[.,;:!?()]")


def refusal(text: str) -> str | None:
    """Give the words by which a text says that something cannot be done or was not done."""
    match = any_of("refusal").search(text) or any_of("undone").search(text)
    return match[0] if match else None


def lacks_tools(text: str) -> bool:
    """Whether a refusal speaks of tools, and does not just say that nothing was found."""
    return any_of("toolless").search(text) is not None


def mishap(text: str) -> str | None:
    """Give the words by which a text tells of something that went wrong."""
    match = any_of("mishap").search(text)
    return match[0] if match else None


def only_promises(said: Iterable[str]) -> bool:
    """Whether sentences speak of what will be done, and of nothing else."""
    statements = [sentence for sentence in said if not is_question(sentence) and not any_of("offer").search(sentence)]
    return bool(statements) and all(any_of("promise").search(sentence) for sentence in statements)


def only_asks(said: Sequence[str]) -> bool:
    """Whether sentences are nothing but questions."""
    return bool(said) and all(is_question(sentence) for sentence in said)


def is_question(sentence: str) -> bool:
    """Whether a sentence asks."""
    return sentence.rstrip("\"') ").endswith("?")


def asks(said: Iterable[str]) -> bool:
    """Whether sentences want something of the user."""
    return any(is_question(sentence) or any_of("request").search(sentence) for sentence in said)


def asks_for(text: str, wanted: Iterable[str]) -> bool:
    """Whether a question is about one of some things, by a form of its name or by the question word for it."""
    said = {stem(word) for word in WORD.findall(text)}
    implied = (things for asked, things in phrases()["asked_for"].items() if asked in text)
    said |= {stem(word) for things in implied for word in things.split()}
    names = [WORD.findall(phrase.casefold()) for phrase in wanted]
    return any(name and all(_is_said(stem(word), said) for word in name) for name in names)


def _is_said(word: str, said: AbstractSet[str]) -> bool:
    """Whether a word was said, by itself or at the end of another: the name in filename."""
    return word in said or (len(word) > 2 and any(item.endswith(word) for item in said))  # noqa: PLR2004 - a word


def claims(sentence: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Find what a sentence says was done: the word for it, and all words for the same."""
    words, known = SAID.findall(sentence), claims_by_word()
    for index, word in enumerate(words):
        if word in known and _is_said_of_a_doer(words, index):
            yield word, known[word]


def _is_said_of_a_doer(words: Sequence[str], index: int) -> bool:
    """Whether a past form begins a sentence or follows who did it; "the closed ticket" claims nothing."""
    before = index - 1
    while before >= 0 and words[before] in words_of("between"):
        before -= 1
    return before < 0 or words[before] in words_of("doers") or not words[before].isalpha()
