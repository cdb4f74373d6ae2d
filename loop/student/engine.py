"""Continuous batching over shared prefixes: many short conversations, each token computed once.

Every step takes what is there: the next token of each row that speaks, and up to `BUDGET` tokens that rows still have
to read. A row's keys and values stay when its answer is done, so a play's next request computes only what is new; a
request that begins like another row copies that part. Greedy tokens are those of mlx-lm's own `generate` (rule 9).
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import mlx.core as mx
import numpy as np

from loop.errors import LoopdError
from loop.student import attention
from loop.student.attention import Chunk, Pass
from loop.student.prefixes import Prefix, Prefixes, common
from loop.student.sampling import Sampling, choose, generator
from loop.student.tails import Layers, Slots
from loop.types import Record

BUDGET: Final = 512
"""Tokens that one step reads, over all rows, beside those that it speaks."""
WORTH: Final = 8
"""A beginning is copied from another row from so many tokens on."""
CONTEXT: Final = 8192
"""Where the model does not say how long a conversation may be."""
GIB: Final = 2**30


class Refused(LoopdError):
    """A request that can never be served."""


class Request(Record):
    """Tokens to continue."""

    tokens: tuple[int, ...]
    prefix: int = 0
    """How many of them are the system prompt and catalogue, shared by many conversations."""
    max_tokens: int = 160
    sampling: Sampling = Sampling()
    ends: tuple[int, ...] = ()
    """Tokens that end the answer; the one that did is part of it."""


class Answer(Record):
    """What was sampled for a request."""

    id: int
    tokens: tuple[int, ...]
    finish: Literal["stop", "length"]
    cached: int
    """Tokens of the prompt that were not computed for this request."""
    logprobs: tuple[float, ...] | None = None


class Stats(Record):
    """Counters since the start, and how full it is now."""

    read: int = 0
    """Tokens of prompts that went through the model, prefixes included."""
    spoken: int = 0
    steps: int = 0
    prefix_hits: int = 0
    rows: int = 0
    waiting: int = 0
    kv_bytes: int = 0


@dataclass(eq=False)
class Row:
    """A conversation in a slot: what its tail holds, and what it has still to compute."""

    id: int
    request: Request
    prefix: Prefix | None
    slot: int
    held: list[int]
    """The tail's tokens whose keys and values are in the slot."""
    pending: list[int]
    cached: int
    spoken: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    chance: np.random.Generator | None = None

    @property
    def reach(self) -> int:
        """How long its tail can become."""
        return len(self.held) + len(self.pending) + self.request.max_tokens - len(self.spoken)


@dataclass(eq=False)
class Held:
    """A tail that no request is using: in a slot, or saved outside."""

    prefix: Prefix | None
    tokens: list[int]
    slot: int | None
    layers: Layers | None = None


class Engine:
    """A model and the conversations that it is in. Use it from one thread."""

    def __init__(self, model: Any, *, max_rows: int = 16, kv_bytes: int = 2 * GIB) -> None:  # noqa: ANN401 - mlx-lm's
        """Take over a loaded model of a known family.

        Args:
            model: an mlx-lm model for which `attention.known` holds.
            max_rows: how many conversations speak at once.
            kv_bytes: bound on keys and values: half for prefixes, a quarter each for rows and for saved tails.
        """
        attention.install(model)
        self.model = model
        self.max_rows = max_rows
        self.kv_bytes = kv_bytes
        self.prefixes = Prefixes(model, kv_bytes // 2)
        self.slots = Slots(model)
        self.context = int(getattr(model.args, "max_position_embeddings", None) or CONTEXT)
        self.rows: dict[int, Row] = {}
        self.idle: OrderedDict[int, Held] = OrderedDict()
        self.saved: deque[Held] = deque()
        self.waiting: OrderedDict[int, Request] = OrderedDict()
        self._next = 0
        self._read = self._spoken = self._steps = 0

    # --- asking ------------------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> int:
        """Queue a request and give its id.

        Raises:
            Refused: it is empty, longer than the model reads, or larger than the memory for keys and values.
        """
        length = len(request.tokens) + request.max_tokens
        if not request.tokens or length > self.context:
            raise Refused(
                f"A prompt of {len(request.tokens)} tokens and {request.max_tokens} more exceed {self.context}."
            )
        tail = length - self._prefix_length(request)
        if tail * self.slots.token_bytes > self.kv_bytes // 2:
            raise Refused(f"A request of {length} tokens does not fit in {self.kv_bytes} bytes of keys and values.")
        self._next += 1
        self.waiting[self._next] = request
        return self._next

    def cancel(self, identity: int) -> None:
        """Forget a request: nobody waits for the answer."""
        self.waiting.pop(identity, None)
        if identity in self.rows:
            self._release(self.rows.pop(identity))

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self.rows or self.waiting)

    @property
    def stats(self) -> Stats:
        """Counters since the start."""
        saved = sum(len(held.tokens) for held in self.saved) * self.slots.token_bytes
        return Stats(
            read=self._read + self.prefixes.computed,
            spoken=self._spoken,
            steps=self._steps,
            prefix_hits=self.prefixes.hits,
            rows=len(self.rows),
            waiting=len(self.waiting),
            kv_bytes=self.slots.nbytes + self.prefixes.nbytes + saved,
        )

    # --- one step ----------------------------------------------------------------------------------------------------

    def step(self) -> list[Answer]:
        """Admit what fits, compute one forward pass, and give the answers that it finished."""
        self._admit()
        if not self.rows:
            return []
        work = self._work()
        speaking = [index for index, (row, count) in enumerate(work) if count == len(row.pending)]
        hidden = self._forward(work)
        for row, count in work:
            row.held += row.pending[:count]
            del row.pending[:count]
        self._steps += 1
        return self._speak([work[index][0] for index in speaking], self._last(hidden, work, speaking))

    def _work(self) -> list[tuple[Row, int]]:
        """Choose how many tokens each row computes: those that speak first, then readers while the budget lasts."""
        singles = [(row, 1) for row in self.rows.values() if len(row.pending) == 1]
        left, chunks = BUDGET, []
        for row in self.rows.values():
            count = min(len(row.pending), left)
            if len(row.pending) > 1 and count:
                chunks.append((row, count))
                left -= count
        self._read += BUDGET - left
        return singles + chunks

    def _forward(self, work: Sequence[tuple[Row, int]]) -> mx.array:
        prefixes = list({id(row.prefix): row.prefix for row, _ in work if row.prefix}.values())
        now = _pass(work, prefixes)
        self.slots.reserve(1 + max(row.slot for row, _ in work), max(len(row.held) + count for row, count in work))
        self.slots.enter(now, prefixes)
        tokens = [token for row, count in work for token in row.pending[:count]]
        return self.model.model(mx.array(tokens)[:, None], cache=self.slots.layers)

    def _last(self, hidden: mx.array, work: Sequence[tuple[Row, int]], speaking: Sequence[int]) -> mx.array:
        """Give the logits of the rows that have read everything: the head is for them alone."""
        if not speaking:
            mx.eval(hidden)
            return hidden[:0, 0]
        ends = np.cumsum([count for _, count in work]) - 1
        wanted = hidden[mx.array(ends[list(speaking)]), 0]
        if self.model.args.tie_word_embeddings:
            return self.model.model.embed_tokens.as_linear(wanted)
        return self.model.lm_head(wanted)

    def _speak(self, rows: Sequence[Row], logits: mx.array) -> list[Answer]:
        if not rows:
            return []
        chances = [float(row.chance.random()) if row.chance else 0.0 for row in rows]
        tokens, logprobs = choose(logits, [row.request.sampling for row in rows], chances)
        mx.eval(tokens, logprobs)
        scores = logprobs.tolist() if logprobs is not None else [None] * len(rows)
        spoken = zip(rows, tokens.tolist(), scores, strict=True)
        self._spoken += len(rows)
        return [answer for row, token, score in spoken if (answer := self._said(row, token, score))]

    def _said(self, row: Row, token: int, logprob: float | None) -> Answer | None:
        row.spoken.append(token)
        if logprob is not None and row.request.sampling.logprobs:
            row.logprobs.append(logprob)
        stop = token in row.request.ends
        if not stop and len(row.spoken) < row.request.max_tokens:
            row.pending.append(token)
            return None
        self._release(self.rows.pop(row.id))
        return Answer(
            id=row.id,
            tokens=tuple(row.spoken),
            finish="stop" if stop else "length",
            cached=row.cached,
            logprobs=tuple(row.logprobs) if row.request.sampling.logprobs else None,
        )

    # --- rows come and go --------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        for identity, request in list(self.waiting.items()):
            if len(self.rows) >= self.max_rows or not self._fits(request):
                return  # in order: nobody overtakes because he is smaller
            prefix, tail = self._split(request)
            source, shared = self._source(prefix, tail)
            if self._follows(prefix, tail, shared):
                continue  # a row in front is reading the same tokens: take them from it when it has
            del self.waiting[identity]
            slot, held = self._place(source, shared, tail)
            self.rows[identity] = self._row(identity, request, prefix, tail, slot, held)

    def _row(
        self, identity: int, request: Request, prefix: Prefix | None, tail: list[int], slot: int, held: int
    ) -> Row:
        chance = generator(request.sampling) if request.sampling.temperature > 0 else None
        cached = held + (len(prefix.tokens) if prefix else 0)
        return Row(identity, request, prefix, slot, tail[:held], tail[held:], cached, chance=chance)

    def _prefix_length(self, request: Request) -> int:
        return min(request.prefix, len(request.tokens) - 1)

    def _split(self, request: Request) -> tuple[Prefix | None, list[int]]:
        length = self._prefix_length(request)
        prefix = self.prefixes.get(request.tokens[:length]) if length else None
        return prefix, list(request.tokens[length:])

    def _fits(self, request: Request) -> bool:
        reach = len(request.tokens) - self._prefix_length(request) + request.max_tokens
        longest = max([reach, *(row.reach for row in self.rows.values())])
        slots, places = self.slots.grown(len(self.rows) + 1, longest)
        if slots * places * self.slots.token_bytes <= self.kv_bytes // 4:
            return True
        if self.rows:
            return False
        for slot in list(self.idle):
            self._save(slot)
        self.slots.clear()
        return True

    def _tails(self) -> Iterator[Held]:
        for row in self.rows.values():
            yield Held(row.prefix, row.held, row.slot)
        yield from self.idle.values()
        yield from self.saved

    def _source(self, prefix: Prefix | None, tail: list[int]) -> tuple[Held | None, int]:
        """Find the tail that begins most like this one. The last token is always computed: its logits are wanted."""
        best, most = None, 0
        for held in self._tails():
            shared = common(held.tokens, tail[:-1]) if held.prefix is prefix else 0
            if shared > most or (shared == most and best and held.slot in self.idle and shared == len(held.tokens)):
                best, most = held, shared
        return best, most

    def _follows(self, prefix: Prefix | None, tail: list[int], shared: int) -> bool:
        reading = [row for row in self.rows.values() if row.prefix is prefix and len(row.pending) > 1]
        return any(common(row.held + row.pending, tail) >= shared + WORTH for row in reading)

    def _place(self, source: Held | None, shared: int, tail: list[int]) -> tuple[int, int]:
        """Give the request a slot, and say how many tokens of its tail the slot holds already."""
        if source and source.slot in self.idle and shared == len(source.tokens):
            del self.idle[source.slot]
            return source.slot, shared
        layers = self._layers(source, shared) if source and shared >= WORTH else None
        slot = self._free_slot()
        if layers is None:
            return slot, 0
        self.slots.reserve(slot + 1, len(tail))
        self.slots.load(slot, layers, shared)
        return slot, shared

    def _layers(self, source: Held, shared: int) -> Layers:
        if source.layers is None:
            assert source.slot is not None
            return self.slots.save(source.slot, shared)
        if shared == len(source.tokens):
            self.saved.remove(source)  # its conversation goes on in a slot
        return source.layers

    def _free_slot(self) -> int:
        used = {row.slot for row in self.rows.values()} | set(self.idle)
        free = next((slot for slot in range(self.max_rows) if slot not in used), None)
        if free is not None:
            return free
        oldest = next(iter(self.idle))
        self._save(oldest)
        return oldest

    def _release(self, row: Row) -> None:
        self.idle[row.slot] = Held(row.prefix, row.held, row.slot)

    def _save(self, slot: int) -> None:
        held = self.idle.pop(slot)
        if held.tokens:
            self.saved.append(Held(held.prefix, held.tokens, None, self.slots.save(slot, len(held.tokens))))
        while sum(len(held.tokens) for held in self.saved) * self.slots.token_bytes > self.kv_bytes // 4:
            self.saved.popleft()


def _pass(work: Sequence[tuple[Row, int]], prefixes: Sequence[Prefix]) -> Pass:
    """Lay a forward pass out: which token is where."""
    counts = [count for _, count in work]
    rows = [row for row, count in work for _ in range(count)]
    places = [len(row.held) + index for row, count in work for index in range(count)]
    behind = [len(row.prefix.tokens) if row.prefix else 0 for row in rows]
    singles = sum(count == 1 for count in counts)
    reach = max([place + 1 for place in places[:singles]], default=0)
    numbers = {id(prefix): index for index, prefix in enumerate(prefixes)}
    groups, order, back = attention.order([numbers.get(id(row.prefix), -1) for row in rows])
    single_of_slot, visible = _singles(work[:singles], reach)
    return Pass(
        positions=mx.array([before + place for before, place in zip(behind, places, strict=True)]),
        slots=mx.array([row.slot for row in rows]),
        places=mx.array(places),
        singles=singles,
        single_of_slot=single_of_slot,
        visible=visible,
        chunks=tuple(_chunks(work, singles)),
        groups=groups,
        order=order,
        back=back,
        reach=reach,
    )


def _chunks(work: Sequence[tuple[Row, int]], singles: int) -> Iterator[Chunk]:
    first = singles
    for row, count in work[singles:]:
        yield Chunk(first, count, row.slot, len(row.held))
        first += count


def _singles(work: Sequence[tuple[Row, int]], reach: int) -> tuple[mx.array | None, mx.array | None]:
    if not work:
        return None, None
    slots = [row.slot for row, _ in work]
    source = np.zeros(max(slots) + 1, dtype=np.int32)
    source[slots] = np.arange(len(slots))
    last = np.full(max(slots) + 1, -1)
    last[slots] = [len(row.held) for row, _ in work]
    visible = np.arange(reach)[None] <= last[:, None]
    return mx.array(source), mx.array(visible[:, None, None])
