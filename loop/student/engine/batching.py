"""Continuous batching over shared prefixes: many short conversations, each token computed once.

Every step takes what is there: the next token of each row that speaks, with guesses at those behind it, and up to
`BUDGET` tokens that rows still have to read. A guess counts where the model says the same. A row's keys and values stay
when its answer is done, so a play's next request computes only what is new; a request that begins like another row
copies that part. Greedy tokens are those of mlx-lm's own `generate` (rule 9).
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Final, Literal

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache

from loop.compute.cpu import parallel
from loop.compute.cpu.cores import streams
from loop.compute.layout import ForwardPass, Shape, lay_out
from loop.compute.rotary import Rotations, offset, share_turns
from loop.errors import ConfigError
from loop.student.engine import adapters, attention
from loop.student.engine.adapters import Adapters
from loop.student.engine.attention import Layer
from loop.student.engine.conversations import ActiveRow, Conversations, TokenRequest
from loop.student.engine.drafts import Drafts
from loop.student.engine.interface import GeneratedSoFar, Generation, Queue, Stats, Unservable
from loop.student.engine.prefixes import Prefix, Prefixes, common
from loop.student.engine.rack import Rack
from loop.student.engine.stored import PrefixDirectory, StoredPrefixes
from loop.student.grammar.constraint import Constraint, Matcher, masked, settled
from loop.student.sampling import choose

BUDGET: Final = 512
"""Tokens that one step reads, over all rows, beside those that it speaks."""
GUESSES: Final = 128
"""Tokens that one step guesses at most, in equal parts for all rows."""
CONTEXT: Final = 8192
"""Where the model does not say how long a conversation may be."""
GIB: Final = 2**30


@dataclass(frozen=True)
class RowStep:
    """What a row does in a step: computes these tokens, and speaks after each of the last ones."""

    row: ActiveRow
    tokens: list[int]
    speaks: int
    """0 where it has more to read; else 1, and one more for each guess among the tokens."""

    @property
    def guesses(self) -> list[int]:
        """Give the tokens that were not said yet."""
        return self.tokens[len(self.tokens) - self.speaks + 1 :]


class Engine:
    """A model and the conversations that it is in. Use it from one thread."""

    kind = "shared-prefix"

    def __init__(  # noqa: PLR0913 - the settings of an engine
        self,
        model: Any,  # noqa: ANN401 - mlx-lm's
        *,
        max_rows: int = 16,
        kv_bytes: int = 4 * GIB,
        stored: PrefixDirectory | None = None,
        constraint: Constraint | None = None,
        beside: Adapters | None = None,
    ) -> None:
        """Take over a loaded model.

        Args:
            model: an mlx-lm model.
            max_rows: how many conversations speak at once.
            kv_bytes: bound on keys and values: three quarters for the prefixes and the tails in use, as they need it, a
                quarter for tails that wait outside.
            stored: where prefixes are kept from one server to the next; None keeps none.
            constraint: holds answers to tools and schemas, for requests that want it; None refuses those.
            beside: adapters that lie beside the model's weights already, for requests that name them.

        Raises:
            ConfigError: the model's family is not one that the shared attention knows.
        """
        if not attention.known(model):
            raise ConfigError(f"The engine does not know the family '{model.model_type}'.")
        self.base_bytes = sum(leaf.nbytes for _, leaf in tree_flatten(model.parameters()))
        attention.install(model)
        share_turns(model)
        self.model, self.max_rows, self.kv_bytes = model, max_rows, kv_bytes
        self.live = kv_bytes - kv_bytes // 4
        self.layers, shape = _layers(model)
        self.cores = parallel.install(model, self.layers[0].streams)
        self.head = parallel.head(model, self.cores)
        self.prefixes = Prefixes(model, shape, self.live, _stored(stored, shape))
        tails = Rack([layer.tails for layer in self.layers], shape.token_bytes)
        self.talks = Conversations(tails, kv_bytes - self.live)
        self.context = context(model)
        self.waiting: OrderedDict[int, TokenRequest] = OrderedDict()
        self.queue = Queue()
        self.constraint = constraint
        self.beside = beside or Adapters(model)
        self.drafts = Drafts()
        self.guesses = GUESSES
        """At most so many a step; with 0 each row says one token a step."""
        self._next = self._read = self._spoken = self._guessed = self._right = self._steps = 0
        self._seconds = 0.0

    def submit(self, request: TokenRequest) -> int:
        """Queue a request and give its id.

        Raises:
            Refused: it is empty, longer than the model reads, larger than the memory for keys and values, names an
                adapter that is not there, or wants calls held to the tools on offer where that cannot be.
        """
        matching(self.constraint, request)
        answers(request, self.beside.names)
        length = len(request.tokens) + request.max_tokens
        if not request.tokens or length > self.context:
            raise Unservable(
                f"A prompt of {len(request.tokens)} tokens and {request.max_tokens} more: {self.context} fit."
            )
        if self.prefixes.nbytes_of(request.shared) + self.talks.rack.nbytes_of([request.reach]) > self.live:
            raise Unservable(f"A request of {length} tokens does not fit in {self.kv_bytes} bytes of keys and values.")
        self._next += 1
        self.waiting[self._next] = request
        return self._next

    def cancel(self, identity: int) -> None:
        """Forget a request: nobody waits for the answer."""
        self.waiting.pop(identity, None)
        if identity in self.talks.rows:
            self._release(self.talks.rows[identity])

    def spoken(self, identity: int) -> GeneratedSoFar:
        """Give what a request was answered so far; nothing where it waits still, or is done."""
        row = self.talks.rows.get(identity)
        return GeneratedSoFar(tokens=tuple(row.spoken), logprobs=tuple(row.logprobs)) if row else GeneratedSoFar()

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self.talks.rows or self.waiting)

    @property
    def stats(self) -> Stats:
        """Counters since the start."""
        return Stats(
            read=self._read + self.prefixes.computed,
            spoken=self._spoken,
            guessed=self._guessed,
            right=self._right,
            steps=self._steps,
            seconds=self._seconds,
            prefix_hits=self.prefixes.hits,
            prefix_loads=self.prefixes.stored.loaded if self.prefixes.stored else 0,
            rows=len(self.talks.rows),
            waiting=len(self.waiting),
            waiting_for=self.queue.reason,
            kv_bytes=self.talks.rack.nbytes + self.prefixes.nbytes,
            base_bytes=self.base_bytes,
            adapters=self.beside.names[1:],
            adapter_bytes=self.beside.nbytes,
        )

    def step(self) -> list[Generation]:
        """Admit what fits, compute one forward pass, and give the answers that it finished."""
        began = time.perf_counter()
        try:
            return self._step()
        finally:
            self._seconds += time.perf_counter() - began

    def _step(self) -> list[Generation]:
        self._admit()
        work = self._work()
        if not work:
            return []
        self._steps += 1
        logits = self._computed(work)
        for part in work:
            part.row.advance(len(part.tokens))
        return self._speak([part for part in work if part.speaks], logits)

    def _admit(self) -> None:
        self.queue = Queue()
        for identity, request in list(self.waiting.items()):
            if reason := self._short(request):
                self.queue = Queue(ids=tuple(number for number in self.waiting if number >= identity), reason=reason)
                return  # in order: nobody overtakes because he is smaller
            with self.beside.taken([adapters.AdapterSpan(request.adapter, 0, request.shared)]):
                prefix = self.prefixes.get(request.beginning) if request.shared else None
            if row := self.talks.seat(identity, request, prefix):
                row.matcher = matching(self.constraint, request)
                self.drafts.heard(row.text, len(row.text) - len(row.pending))
                del self.waiting[identity]
                if prefix:
                    prefix.users += 1

    def _short(self, request: TokenRequest) -> Literal["rows", "memory"] | None:
        """Say what there is too little of for the request, if anything."""
        if len(self.talks.rows) >= self.max_rows:
            return "rows"
        return None if self._fits(request) else "memory"

    def _fits(self, request: TokenRequest) -> bool:
        """Whether there is room for the request at its longest. The prefixes keep what the tails will not need."""
        rack, prefix = self.talks.rack, request.beginning
        budget = self.live - self.prefixes.needed(prefix)
        reach = rack.nbytes_of([request.reach, *self.talks.reach()])
        if reach > budget:
            return False
        if rack.nbytes - self.talks.budget > budget:
            self.talks.shrink()
        aside = max(reach, rack.nbytes - self.talks.budget)
        rack.most = (aside + self.talks.budget) // rack.bytes_of(1)
        self.prefixes.keep(self.live - aside, prefix)
        return True

    def _work(self) -> list[RowStep]:
        """Choose what each row computes: all that speak go on, readers while the budget lasts.

        Those behind one prefix come together, and those without one before the others.
        """
        left, work = BUDGET, []
        for row in self.talks.rows.values():
            count = 1 if len(row.pending) == 1 else min(len(row.pending), left)
            left -= count if len(row.pending) > 1 else 0
            if count:
                work.append(self._part(row, count))
        self._read += BUDGET - left
        order: dict[Prefix | None, int] = {None: 0}
        for part in work:
            order.setdefault(part.row.prefix, len(order))
        return sorted(work, key=lambda part: (order[part.row.prefix], part.row.request.adapter, part.row.id))

    def _part(self, row: ActiveRow, count: int) -> RowStep:
        if count < len(row.pending):
            return RowStep(row, row.pending[:count], 0)
        draft = self._draft(row)
        self._guessed += len(draft)
        return RowStep(row, row.pending + draft, 1 + len(draft))

    def _draft(self, row: ActiveRow) -> list[int]:
        """Guess what a row says behind its next token; nothing where each token decides what may come next."""
        if row.matcher:
            return []
        room = row.request.max_tokens - len(row.spoken) - 1
        draft = self.drafts.after(row.text, min(room, self.guesses // len(self.talks.rows)))
        return list(takewhile(lambda token: token not in row.request.ends, draft))

    def _computed(self, work: Sequence[RowStep]) -> mx.array | None:
        """Compute the step; once more, and from then on the slower way, where a score was too far from nought."""
        logits = self._logits(self._forward(work), work)
        if attention.in_range(self.layers, logits):
            return logits
        for layer in self.layers:
            layer.shifted = True
        return self._logits(self._forward(work), work)

    def _forward(self, work: Sequence[RowStep]) -> mx.array:
        now, turns = self._laid_out(work)
        for layer in self.layers:
            layer.enter(now, turns)
        tokens = [token for part in work for token in part.tokens]
        owners = [(part.row.request.adapter, len(part.tokens)) for part in work]
        with self.cores.taken(), self.beside.taken(adapters.spans(owners)):
            hidden: mx.array = self.model.model(mx.array(tokens)[:, None], cache=self.layers)
        return hidden

    def _laid_out(self, work: Sequence[RowStep]) -> tuple[ForwardPass, mx.array | Rotations]:
        """Give the parts' tokens their places, and say how they are rotated."""
        first = self.layers[0]
        self.talks.rack.reserve([(part.row.pages, len(part.row.held) + len(part.tokens)) for part in work])
        now = lay_out([part.row.work(len(part.tokens)) for part in work], first.tails.keys.shape[1], len(first.streams))
        return now, offset(self.model, now.positions)

    def _logits(self, hidden: mx.array, work: Sequence[RowStep]) -> mx.array | None:
        """Give the logits of each part's last tokens, as many as it speaks: the head is for them alone."""
        ends = np.cumsum([len(part.tokens) for part in work])
        wanted = [index for end, part in zip(ends, work, strict=True) for index in range(end - part.speaks, end)]
        if not wanted:
            mx.eval(hidden)
            return None
        with self.cores.taken():
            return self.head(hidden[mx.array(wanted), 0])

    def _speak(self, parts: Sequence[RowStep], logits: mx.array | None) -> list[Generation]:
        if logits is None:
            return []
        rows = [part.row for part in parts for _ in range(part.speaks)]
        chances = [chance for part in parts for chance in part.row.chances(part.speaks)]
        logits = masked(logits, [row.matcher for row in rows])
        tokens, logprobs = choose(logits, [row.request.sampling for row in rows], chances)
        for index, row in enumerate(rows):
            if row.matcher:
                tokens[index] = settled(logits[index], tokens[index], row.matcher)
        spoken = zip(tokens, logprobs, strict=True)
        answers = [self._said(part, list(islice(spoken, part.speaks))) for part in parts]
        return sorted((answer for answer in answers if answer), key=lambda answer: answer.id)

    def _said(self, part: RowStep, spoken: Sequence[tuple[int, float]]) -> Generation | None:
        """Let a row say its tokens up to the first that was guessed otherwise: those behind it have another past."""
        row, right = part.row, common(part.guesses, [token for token, _ in spoken])
        row.say(spoken[: right + 1])
        self.drafts.heard(row.text, len(row.text) - right - 1)
        self._spoken += right + 1
        self._right += right
        stop = row.spoken[-1] in row.request.ends
        if not stop and len(row.spoken) < row.request.max_tokens:
            row.pending.append(row.spoken[-1])
            return None
        self._release(row)
        logprobs = tuple(row.logprobs) if row.request.sampling.logprobs else None
        finish: Literal["stop", "length"] = "stop" if stop else "length"
        return Generation(id=row.id, tokens=tuple(row.spoken), finish=finish, cached=row.cached, logprobs=logprobs)

    def _release(self, row: ActiveRow) -> None:
        self.talks.release(row)
        if row.prefix:
            row.prefix.users -= 1  # it stays as long as nobody needs its room


def context(model: Any) -> int:  # noqa: ANN401 - any mlx-lm model
    """Tell how many tokens a conversation may have."""
    return int(getattr(model.args, "max_position_embeddings", None) or CONTEXT)


def answers(request: TokenRequest, names: Sequence[str]) -> None:
    """Make sure that the adapter which a request names is there.

    Raises:
        Refused: it is not.
    """
    if request.adapter not in names:
        known = ", ".join(names[1:]) or "none"
        raise Unservable(f"There is no adapter '{request.adapter[:80]}' here. Those beside the model: {known}.")


def matching(constraint: Constraint | None, request: TokenRequest) -> Matcher | None:
    """Follow a request's answer, where it is held to something.

    Raises:
        Refused: it cannot be held to that, or nobody gave the tokenizer.
    """
    if request.held is None:
        return None
    if constraint is None:
        raise Unservable("This engine has no tokenizer to constrain calls with.")
    try:
        return constraint.begin(request.held)
    except ConfigError as error:
        raise Unservable(str(error)) from error


def _stored(place: PrefixDirectory | None, shape: Shape) -> StoredPrefixes | None:
    return StoredPrefixes(place, (shape.layers, shape.heads, shape.size), shape.dtype) if place else None


def _layers(model: Any) -> tuple[list[Layer], Shape]:  # noqa: ANN401 - any mlx-lm model
    """Learn from the model itself what it keeps of a token."""
    caches = make_prompt_cache(model)
    model.model(mx.array([[0]]), cache=caches)
    heads, _, size = caches[0].keys.shape[1:]
    shape = Shape(len(model.layers), heads, size, caches[0].keys.dtype)
    lanes = streams()
    return [Layer(index, heads, size, shape.dtype, lanes) for index in range(shape.layers)], shape
