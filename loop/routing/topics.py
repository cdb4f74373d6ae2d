"""What a request is about: the backend whose tools and words it has, by naive Bayes on two views of it.

Learned from training tasks, whose backends are known for nothing: the names of the tools on offer, and the words that
the user says. Deterministic, and small enough to be learned anew at each start. A token counts once a request; what no
task had is not read, and makes the reading less sure.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from loop.types import Record, Task

SMOOTHING: Final = 0.1
"""Added to each count (Lidstone)."""
MOST: Final = 8
"""Tokens that count in full: of more, each counts less, because tokens of one request go together."""
WORD: Final = re.compile(r"[a-z]{3,}")


class Example(Record):
    """A request and what it is about."""

    tools: tuple[str, ...]
    """Names of the tools on offer."""
    text: str
    """What the user says first."""
    topic: str = ""

    @classmethod
    def of(cls, task: Task) -> "Example":
        """Give what a conversation about a task begins with, as a client of the endpoint would send it."""
        return cls(tools=task.tools, text=task.turns[0].user)


class Reading(Record):
    """What a request is about, as far as can be told."""

    shares: Mapping[str, float]
    """By topic, together 1."""
    known: float
    """Share of its tokens that any example had, 0..1."""

    @property
    def best(self) -> tuple[str, float]:
        """The likeliest topic, and its share times how much is known."""
        topic = max(self.shares, key=lambda share: (self.shares[share], share))
        return topic, self.shares[topic] * self.known


class View(Record):
    """One kind of tokens: how many examples of each topic had each of them."""

    topics: tuple[str, ...]
    totals: tuple[int, ...]
    """Examples of each topic."""
    counts: Mapping[str, tuple[int, ...]]
    """By token, examples of each topic that have it."""

    @classmethod
    def learned(cls, examples: Iterable[tuple[str, Iterable[str]]]) -> "View":
        """Count tokens by topic."""
        counts: dict[str, Counter[str]] = {}
        totals: Counter[str] = Counter()
        for topic, tokens in examples:
            counts.setdefault(topic, Counter()).update(set(tokens))
            totals[topic] += 1
        topics = tuple(sorted(counts))
        vocabulary = sorted({token for count in counts.values() for token in count})
        return cls(
            topics=topics,
            totals=tuple(totals[topic] for topic in topics),
            counts={token: tuple(counts[topic][token] for topic in topics) for token in vocabulary},
        )

    @cached_property
    def scores(self) -> Mapping[str, tuple[float, ...]]:
        """By token, the logarithm of its probability under each topic."""
        return {
            token: tuple(
                math.log((count + SMOOTHING) / (total + 2 * SMOOTHING))
                for count, total in zip(counts, self.totals, strict=True)
            )
            for token, counts in self.counts.items()
        }

    def mixed(self, tokens: Iterable[str]) -> bool:
        """Whether tokens are known that no single topic has all of."""
        known = [self.counts[token] for token in set(tokens) if token in self.counts]
        return bool(known) and not any(all(counts) for counts in zip(*known, strict=True))

    def read(self, tokens: Iterable[str]) -> tuple[list[float], float]:
        """Give each topic's score, and the share of the tokens that are known."""
        unique = sorted(set(tokens))
        known = [self.scores[token] for token in unique if token in self.scores]
        weight = min(1.0, MOST / len(known)) if known else 0.0
        sums = [weight * sum(scores[index] for scores in known) for index in range(len(self.topics))]
        return sums, len(known) / len(unique) if unique else 0.0


class Topics(Record):
    """What tools and words say together."""

    tools: View
    words: View

    @classmethod
    def learned(cls, examples: Sequence[Example]) -> "Topics":
        """Learn from examples with their topics."""
        return cls(
            tools=View.learned((example.topic, example.tools) for example in examples),
            words=View.learned((example.topic, words(example.text)) for example in examples),
        )

    def read(self, example: Example, *, by: str = "both") -> Reading:
        """Say what a request is about. Where the tools on offer are of several topics, the words alone say it.

        Args:
            example: the request.
            by: `tools`, `words`, or `both` of them.
        """
        if by == "both" and self.tools.mixed(example.tools):
            return self.read(example, by="words")
        views = {"tools": (self.tools, example.tools), "words": (self.words, words(example.text))}
        read = [view.read(tokens) for name, (view, tokens) in views.items() if by in {name, "both"}]
        said = [(scores, known) for scores, known in read if known]
        if not said:
            return Reading(shares={topic: 1 / len(self.tools.topics) for topic in self.tools.topics}, known=0)
        sums = [sum(column) for column in zip(*(scores for scores, _ in said), strict=True)]
        known = read[0][1] if by != "words" and example.tools else read[-1][1]
        return Reading(shares=dict(zip(self.tools.topics, _softmax(sums), strict=True)), known=known)


def words(text: str) -> list[str]:
    """Give the words of a text, in lower case."""
    return WORD.findall(text.lower())


def _softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return [power / sum(powers) for power in powers]
