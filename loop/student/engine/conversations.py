"""Conversations: which tokens the tail of each holds, and where a new request can go on from another."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from loop.compute.layout import Work, pages_of
from loop.student.engine.drafts import LENGTHS
from loop.student.engine.prefixes import Beginning, Prefix, common
from loop.student.engine.rack import Rack
from loop.student.grammar.answer import Held
from loop.student.grammar.constraint import Matcher
from loop.student.sampling import SamplingParams, generator
from loop.types import Record

WORTH: Final = 8
"""A beginning is copied from another row from so many tokens on."""


class TokenRequest(Record):
    """Tokens to continue."""

    tokens: tuple[int, ...]
    prefix: int = 0
    """How many of them are the system prompt and catalogue, shared by many conversations."""
    max_tokens: int = 160
    sampling: SamplingParams = SamplingParams()
    ends: tuple[int, ...] = ()
    """Tokens that end the answer; the one that did is part of it."""
    held: Held | None = None
    """What the answer is held to, token by token; None leaves it free."""
    adapter: str = ""
    """Which of the adapters beside the model answers; empty for the model as it is."""

    @property
    def shared(self) -> int:
        """The length of the prefix: never all of the tokens, the last one's logits are wanted."""
        return min(self.prefix, len(self.tokens) - 1)

    @property
    def beginning(self) -> Beginning:
        """Name its prefix."""
        return Beginning(self.adapter, self.tokens[: self.shared])

    @property
    def reach(self) -> int:
        """How long the tail can become."""
        return len(self.tokens) - self.shared + self.max_tokens


@dataclass(eq=False)
class ActiveRow:
    """A request that is being answered: what its tail holds, and what it has still to compute."""

    id: int
    request: TokenRequest
    prefix: Prefix | None
    pages: list[int]
    """Where its tail lies."""
    held: list[int]
    """The tail's tokens whose keys and values are there."""
    pending: list[int]
    spoken: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    chance: np.random.Generator | None = None
    cached: int = 0
    """Tokens of the prompt that were there before."""
    matcher: Matcher | None = None
    """Holds its calls to the tools on offer."""
    text: list[int] = field(init=False)
    """What drafts are looked up by: the end of what was there before, what it reads, and what it says."""
    _numbers: list[float] = field(default_factory=list)
    """One for each token that it said or may say, from its source of chance."""

    def __post_init__(self) -> None:
        """Start its source of chance, and note what it need not compute."""
        if self.request.sampling.temperature > 0:
            self.chance = generator(self.request.sampling)
        self.cached = len(self.held) + self.request.shared
        self.text = self.held[-max(LENGTHS) :] + self.pending

    @property
    def behind(self) -> "Behind":
        """Say what its tail stands behind."""
        return self.prefix, self.request.adapter

    def work(self, count: int) -> Work:
        """Say where its next tokens go."""
        layers, length = (self.prefix.layers, len(self.prefix.tokens)) if self.prefix else (None, 0)
        return Work(self.pages, len(self.held), count, layers, length)

    def advance(self, count: int) -> None:
        """Note that its next tokens were computed."""
        self.held += self.pending[:count]
        del self.pending[:count]

    def say(self, said: Sequence[tuple[int, float]]) -> None:
        """Note what it said, tokens and log-probabilities. All but the last were computed in the same pass."""
        tokens = [token for token, _ in said]
        self.held += tokens[:-1]
        self.spoken += tokens
        self.text += tokens
        self.logprobs += [logprob for _, logprob in said]

    def chances(self, count: int) -> list[float]:
        """Give the numbers of its next tokens; those of tokens that it does not come to say are given again."""
        if self.chance is None:
            return [0.0] * count
        upto = len(self.spoken) + count
        self._numbers += self.chance.random(max(upto - len(self._numbers), 0)).tolist()
        return self._numbers[len(self.spoken) : upto]


Behind = tuple[Prefix | None, str]
"""What a tail's keys and values hold for: a prefix, and an adapter."""


@dataclass(eq=False)
class RestingTail:
    """A tail that no request is using."""

    behind: Behind
    held: list[int]
    pages: list[int]


class Conversations:
    """The rows that are answered, and the rests of those that were: a play comes back to its own.

    Args:
        rack: where the tails lie.
        budget: bytes of the rests.
    """

    def __init__(self, rack: Rack, budget: int) -> None:
        self.rack, self.budget = rack, budget
        self.rows: dict[int, ActiveRow] = {}
        self.rests: deque[RestingTail] = deque()
        """The longest unused first."""

    def reach(self) -> list[int]:
        """Say how long each row's tail can become."""
        return [row.request.reach for row in self.rows.values()]

    def seat(self, identity: int, request: TokenRequest, prefix: Prefix | None) -> ActiveRow | None:
        """Give the request a row, with as much of its tail as is there already.

        None where a row in front is reading the same tokens: wait, and take them from it.
        """
        tail, behind = list(request.tokens[request.shared :]), (prefix, request.adapter)
        source, shared = self._source(behind, tail)
        if self._follows(behind, tail, shared):
            return None
        pages, held = self._pages(source, shared)
        self._forget(behind, tail[:held])
        row = ActiveRow(identity, request, prefix, pages, tail[:held], tail[held:])
        self.rows[identity] = row
        return row

    def release(self, row: ActiveRow) -> None:
        """End a row; its tail stays for who goes on from it, as long as nobody needs its room."""
        del self.rows[row.id]
        used = pages_of(len(row.held))
        self.rack.release(row.pages[used:])
        self.rests.append(RestingTail(row.behind, row.held, row.pages[:used]))
        while self.rack.nbytes_of(len(rest.held) for rest in self.rests) > self.budget:
            self._drop(self.rests[0])

    def shrink(self) -> None:
        """Give memory back that no tail needs."""
        self.rack.shrink([tail.pages for tail in self._tails()])

    def _tails(self) -> Iterator[RestingTail | ActiveRow]:
        yield from self.rests  # first: at equal length, going on costs less than copying
        yield from self.rows.values()

    def _source(self, behind: Behind, tail: list[int]) -> tuple[RestingTail | ActiveRow | None, int]:
        """Find the tail that begins most like this one. The last token is always computed: its logits are wanted."""
        best, most, whole = None, 0, False
        for rest in self._tails():
            shared = common(rest.held, tail[:-1]) if rest.behind == behind else 0
            ends = shared == len(rest.held)
            if shared > most or (shared == most > 0 and ends and not whole):
                best, most, whole = rest, shared, ends
        return best, most

    def _follows(self, behind: Behind, tail: list[int], shared: int) -> bool:
        reading = [row for row in self.rows.values() if row.behind == behind and len(row.pending) > 1]
        return any(common(row.held + row.pending, tail) >= shared + WORTH for row in reading)

    def _pages(self, source: RestingTail | ActiveRow | None, shared: int) -> tuple[list[int], int]:
        """Give the pages of what is there already, and how much that is."""
        if isinstance(source, RestingTail) and shared == len(source.held):
            self.rests.remove(source)
            return source.pages, shared
        return (self.rack.share(source.pages, shared), shared) if source and shared >= WORTH else ([], 0)

    def _forget(self, behind: Behind, held: list[int]) -> None:
        """Drop the rests that begin a tail and hold nothing else: who comes back to one finds the same there."""
        for rest in [rest for rest in self.rests if rest.behind == behind and rest.held == held[: len(rest.held)]]:
            self._drop(rest)

    def _drop(self, rest: RestingTail) -> None:
        self.rests.remove(rest)
        self.rack.release(rest.pages)
