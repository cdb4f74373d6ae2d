"""Words: does a message speak of what this conversation is about?

Messages of another domain among genuine ones are found without labels, by a naive Bayes classifier that is taught on
the traces themselves (positive and unlabelled examples: Liu et al. 2003, Building text classifiers using positive and
unlabeled examples). What vouches for a word are users, results and schemas, and messages of conversations in which no
other filter found fault; every other message may be either. Beside words it sees what stands around a message: a
result or the user, a question, thanks, a yes, the end.

It is a guess by statistics: on made-up corruptions it finds some three in four at 95 % precision (docs/traces.md), so
where few conversations are faulty it says nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from loop.traces.filtering import Filter, StudiedTrace, TraceFault, said
from loop.types import Message, Trajectory

__all__ = ["Words"]

WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+")
THANKS: Final = frozenset({"thanks", "thank", "bye"})
YES: Final = frozenset({"yes", "yeah", "yep", "sure", "correct", "right", "perfect"})
FAREWELL: Final = frozenset({"day", "welcome", "bye", "enjoy", "goodbye"})
DONE: Final = frozenset({"reserved", "booked", "successful", "successfully", "made", "confirmed", "complete", "done"})
GENUINE: Final = 0.02
"""How likely a message of a faultless conversation is foreign."""
TRUST: Final = 3.0
"""How many doubtful messages one of a faultless conversation weighs as much as."""
VOUCHED: Final = 50
"""Times that a word of users and results counts at most."""
MOST: Final = 20_000
"""Messages that it learns from."""

Floats = NDArray[np.float64]


class Words(Filter):
    """Judges what messages speak of. Needs to have seen all traces."""

    studies: ClassVar[bool] = True
    share: float = Field(default=0.45, gt=0, lt=1)
    """The share of doubtful messages that is expected to be foreign."""
    spared: float = Field(default=0.98, gt=0, lt=1)
    """Share of the messages of faultless conversations that must score lower than what is called foreign."""
    least_faulty: float = Field(default=0.2, ge=0, le=1)
    """Share of the conversations that other filters must have found faulty before it says anything."""
    _weights: dict[str, float] = PrivateAttr(default_factory=dict)
    _bar: float = PrivateAttr(default=0.0)

    def studied(self, seen: Iterable[StudiedTrace]) -> Self:
        """Learn which words are foreign."""
        examples: list[tuple[frozenset[str], float]] = []
        vouched: Counter[str] = Counter()
        conversations = faulty = 0
        for other in seen:
            conversations += 1
            faulty += bool(other.faulty)
            for message in other.trajectory.messages:
                if message.role in ("user", "tool"):
                    vouched.update(set(_words(message.content)))
            if len(examples) < MOST:
                examples += _examples(other, self.share)
        done = self.model_copy()
        if conversations and self.least_faulty <= faulty / conversations and any(odd == GENUINE for _, odd in examples):
            weights = _taught(examples, vouched)
            own = [sum(weights.get(mark, 0.0) for mark in marks) for marks, odd in examples if odd == GENUINE]
            done._weights, done._bar = weights, float(np.quantile(own, self.spared))  # noqa: SLF001 - its own
        return done

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find messages that speak of something else."""
        if not self._weights:
            return
        for index, message in said(trajectory):
            if message.content and not message.calls:
                marks = _marks(trajectory.messages, index)
                if sum(self._weights.get(mark, 0.0) for mark in marks) > self._bar:
                    strange = max(marks, key=lambda mark: self._weights.get(mark, 0.0))
                    yield TraceFault(index, "foreign", f"it speaks of something else ({strange.replace('_', ' ')})")


def _examples(seen: StudiedTrace, share: float) -> Iterator[tuple[frozenset[str], float]]:
    """Give a conversation's closing messages, each with how likely it is foreign as far as is known."""
    for index, message in said(seen.trajectory):
        if message.calls or not message.content or index in seen.faulty:
            continue
        yield _marks(seen.trajectory.messages, index), share if seen.faulty else GENUINE


def _taught(examples: Sequence[tuple[frozenset[str], float]], vouched: Counter[str]) -> dict[str, float]:
    """Fit two classes, genuine and foreign; a message of which nothing is known counts for both, by its odds."""
    counts = Counter(mark for marks, _ in examples for mark in marks)
    names = [name for name, count in counts.items() if count >= 3]  # noqa: PLR2004 - fewer say nothing
    index = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(examples), len(names)))
    for row, (marks, _) in enumerate(examples):
        table[row, [index[mark] for mark in marks if mark in index]] = 1
    known = np.array([min(vouched[name], VOUCHED) if name.isalpha() else 0 for name in names], dtype=np.float64)
    foreign = np.array([odd for _, odd in examples])
    weights = np.where(foreign == GENUINE, TRUST, 1.0)
    return dict(zip(names, _odds(table, foreign, weights, known).tolist(), strict=True))


def _odds(table: Floats, foreign: Floats, weights: Floats, known: Floats) -> Floats:
    """Give each mark's log odds for a foreign message against a genuine one."""
    strange, own = foreign * weights, (1 - foreign) * weights
    there = (table.T @ strange + 0.5) / (strange.sum() + 1)
    here = np.minimum((table.T @ own + 0.5 + known) / (own.sum() + 1), 0.95)
    odds: Floats = np.log(there / here) - np.log((1 - there) / (1 - here))
    return odds


def _marks(messages: Sequence[Message], index: int) -> frozenset[str]:
    """Say what can be seen of a message: its words, pairs of them, and what stands around it."""
    words = _words(messages[index].content)
    marks = {*words, *(f"{one}_{other}" for one, other in pairwise(words))}
    act = _act(messages[index].content, words)
    around = {
        f"before:{_before(messages[index - 1] if index else None)}",
        f"after:{_after(messages[index + 1 : index + 2])}",
    }
    return frozenset({*marks, *around, *(f"{act}:{word}" for word in around)})


def _words(text: str) -> list[str]:
    return ["#" if word.isdigit() else word for word in WORD.findall(text.casefold()[:4_000])]


def _act(text: str, words: Sequence[str]) -> str:
    if "?" in text:
        return "asks"
    if FAREWELL.intersection(words) and len(words) < 16:  # noqa: PLR2004 - a farewell is short
        return "leaves"
    return "reports" if DONE.intersection(words) else "tells"


def _before(message: Message | None) -> str:
    if message is None:
        return "nothing"
    if message.role == "tool":
        return "empty" if message.content.strip() in ("[]", "{}", "", "null") else "result"
    return _user(message.content)


def _after(messages: Sequence[Message]) -> str:
    return _user(messages[0].content) if messages else "nothing"


def _user(text: str) -> str:
    words = _words(text)
    if THANKS.intersection(words):
        return "thanks"
    if YES.intersection(words[:4]):
        return "yes"
    return "question" if "?" in text else "other"
