"""Conversations in slots: which tokens each holds, and where a new request can take over or copy from another."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from loop.student.constraint import Matcher
from loop.student.drafts import LENGTHS
from loop.student.layout import Saved, Work
from loop.student.prefixes import Prefix, common
from loop.student.rack import Rack
from loop.student.sampling import Sampling, generator
from loop.types import Catalogue, Record

WORTH: Final = 8
"""A beginning is copied from another row from so many tokens on."""


class Request(Record):
    """Tokens to continue."""

    tokens: tuple[int, ...]
    prefix: int = 0
    """How many of them are the system prompt and catalogue, shared by many conversations."""
    max_tokens: int = 160
    sampling: Sampling = Sampling()
    ends: tuple[int, ...] = ()
    """Tokens that end the answer; the one that did is part of it."""
    offered: Catalogue | None = None
    """Where given, every call of the answer has to fit one of these tools; None leaves the answer free."""

    @property
    def shared(self) -> int:
        """The length of the prefix: never all of the tokens, the last one's logits are wanted."""
        return min(self.prefix, len(self.tokens) - 1)

    @property
    def reach(self) -> int:
        """How long the tail can become."""
        return len(self.tokens) - self.shared + self.max_tokens


@dataclass(eq=False)
class Row:
    """A request that is being answered: what its slot holds, and what it has still to compute."""

    id: int
    request: Request
    prefix: Prefix | None
    slot: int
    held: list[int]
    """The tail's tokens whose keys and values are in the slot."""
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

    def work(self, count: int) -> Work:
        """Say where its next tokens go."""
        layers, length = (self.prefix.layers, len(self.prefix.tokens)) if self.prefix else (None, 0)
        return Work(self.slot, len(self.held), count, layers, length)

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


@dataclass(eq=False)
class Rest:
    """A tail that no request is using: in a slot, or saved outside."""

    prefix: Prefix | None
    held: list[int]
    slot: int | None
    saved: Saved | None = None


class Conversations:
    """The rows that are answered, and the rests of those that were: a play comes back to its own.

    Args:
        rack: where the tails lie.
        max_rows: how many slots there are.
        budget: bytes of the tails saved outside.
    """

    def __init__(self, rack: Rack, max_rows: int, budget: int) -> None:
        self.rack, self.max_rows, self.budget = rack, max_rows, budget
        self.rows: dict[int, Row] = {}
        self.idle: OrderedDict[int, Rest] = OrderedDict()
        """Rests by slot, the longest unused first."""
        self.saved: deque[Rest] = deque()

    @property
    def nbytes(self) -> int:
        """Bytes of all tails, inside and outside the rack."""
        return self.rack.nbytes + sum(len(rest.held) for rest in self.saved) * self.rack.token_bytes

    def seat(self, identity: int, request: Request, prefix: Prefix | None) -> Row | None:
        """Give the request a row, with as much of its tail as is there already.

        None where a row in front is reading the same tokens: wait, and take them from it.
        """
        tail = list(request.tokens[request.shared :])
        source, shared = self._source(prefix, tail)
        if self._follows(prefix, tail, shared):
            return None
        slot, held = self._place(source, shared, request)
        row = Row(identity, request, prefix, slot, tail[:held], tail[held:])
        self.rows[identity] = row
        return row

    def release(self, row: Row) -> None:
        """End a row; its tail stays for who goes on from it."""
        del self.rows[row.id]
        self.idle[row.slot] = Rest(row.prefix, row.held, row.slot)

    def empty(self) -> None:
        """Save every rest outside and give the rack's memory back. There must be no rows."""
        for slot in list(self.idle):
            self._save(slot)
        self.rack.clear()

    def _tails(self) -> Iterator[Rest]:
        yield from self.idle.values()  # first: at equal length, going on costs less than copying
        for row in self.rows.values():
            yield Rest(row.prefix, row.held, row.slot)
        yield from self.saved

    def _source(self, prefix: Prefix | None, tail: list[int]) -> tuple[Rest | None, int]:
        """Find the tail that begins most like this one. The last token is always computed: its logits are wanted."""
        best, most, whole = None, 0, False
        for rest in self._tails():
            shared = common(rest.held, tail[:-1]) if rest.prefix is prefix else 0
            ends = rest.slot in self.idle and shared == len(rest.held)
            if shared > most or (shared == most > 0 and ends and not whole):
                best, most, whole = rest, shared, ends
        return best, most

    def _follows(self, prefix: Prefix | None, tail: list[int], shared: int) -> bool:
        reading = [row for row in self.rows.values() if row.prefix is prefix and len(row.pending) > 1]
        return any(common(row.held + row.pending, tail) >= shared + WORTH for row in reading)

    def _place(self, source: Rest | None, shared: int, request: Request) -> tuple[int, int]:
        """Give a slot, and say how many tokens of the tail it holds."""
        if source and source.slot in self.idle and shared == len(source.held):
            assert source.slot is not None
            del self.idle[source.slot]
            return source.slot, shared
        layers = self._layers(source, shared) if source and shared >= WORTH else None
        slot = self._free(request.reach)
        self.rack.reserve(slot + 1, len(request.tokens) - request.shared)
        if layers is None:
            return slot, 0
        self.rack.load(slot, layers, shared)
        return slot, shared

    def _layers(self, source: Rest, shared: int) -> Saved:
        if source.saved is None:
            assert source.slot is not None
            return self.rack.save(source.slot, shared)
        if shared == len(source.held):
            self.saved.remove(source)  # its conversation goes on in a slot
        return source.saved

    def _free(self, reach: int) -> int:
        used = {row.slot for row in self.rows.values()} | set(self.idle)
        most = min(self.max_rows, self.rack.room(max([reach, *(row.request.reach for row in self.rows.values())])))
        free = next((slot for slot in range(most) if slot not in used), None)
        return self._save(next(iter(self.idle))) if free is None else free

    def _save(self, slot: int) -> int:
        rest = self.idle.pop(slot)
        if rest.held:
            self.saved.append(Rest(rest.prefix, rest.held, None, self.rack.save(slot, len(rest.held))))
        while sum(len(rest.held) for rest in self.saved) * self.rack.token_bytes > self.budget:
            self.saved.popleft()
        return slot
