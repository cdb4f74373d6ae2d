"""The way out for model families that the shared attention does not know: mlx-lm's own continuous batching.

Right, but every request's prompt is read whole. The server says which engine it uses, and so do its counters.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import mlx.core as mx
import numpy as np
from mlx_lm.generate import BatchGenerator, StopSequences

from loop.student.engine.batching import answers, context, matching
from loop.student.engine.conversations import TokenRequest
from loop.student.engine.interface import GeneratedSoFar, Generation, Queue, Stats, Unservable
from loop.student.grammar.constraint import Constraint, Matcher, masked, settled
from loop.student.sampling import SamplingParams, generator, sampled


@dataclass(eq=False)
class Going:
    """A request that is being answered."""

    id: int
    request: TokenRequest
    spoken: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class PlainEngine:
    """Serves any model that mlx-lm loads. Use it from one thread."""

    kind = "mlx-lm"
    queue = Queue()
    """Nobody is known to wait: mlx-lm's batching keeps its own order."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - mlx-lm's
        *,
        max_rows: int = 16,
        constraint: Constraint | None = None,
    ) -> None:
        """Take over a loaded model; the settings are as in `Engine`."""
        self.context, self.constraint = context(model), constraint
        self._batch = BatchGenerator(model, completion_batch_size=max_rows, prefill_batch_size=min(8, max_rows))
        self._batch.close()  # it raises the limit of wired memory; the machine is not ours alone
        self._going: dict[int, Going] = {}
        self._next = self._read = self._spoken = self._steps = 0

    def submit(self, request: TokenRequest) -> int:
        """Queue a request and give its id.

        Raises:
            Refused: it is empty, longer than the model reads, or cannot be constrained as it wants.
        """
        matcher = matching(self.constraint, request)
        answers(request, ("",))
        length = len(request.tokens) + request.max_tokens
        if not request.tokens or length > self.context:
            raise Unservable(
                f"The prompt has {len(request.tokens)} tokens; with {request.max_tokens} more, {self.context} fit."
            )
        ends = StopSequences([[token] for token in request.ends] or None)
        [uid] = self._batch.insert(
            [list(request.tokens)],
            [request.max_tokens],
            samplers=[_sampler(request.sampling, matcher)],
            stop_sequences=[ends],
        )
        self._next += 1
        self._read += len(request.tokens)
        self._going[uid] = Going(self._next, request)
        return self._next

    def cancel(self, identity: int) -> None:
        """Forget a request: nobody waits for the answer."""
        for uid in [uid for uid, going in self._going.items() if going.id == identity]:
            del self._going[uid]
            self._batch.remove([uid])

    def spoken(self, identity: int) -> GeneratedSoFar:
        """Give what a request was answered so far; nothing where it is done."""
        going = next((row for row in self._going.values() if row.id == identity), None)
        return GeneratedSoFar(tokens=tuple(going.spoken), logprobs=tuple(going.logprobs)) if going else GeneratedSoFar()

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._going)

    @property
    def stats(self) -> Stats:
        """Counters since the start; everybody who waits counts as a row."""
        return Stats(read=self._read, spoken=self._spoken, steps=self._steps, rows=len(self._going))

    def step(self) -> list[Generation]:
        """Compute a step, and give the answers that it finished."""
        if not self._going:
            return []
        self._steps += 1
        return [answer for response in self._batch.next_generated() if (answer := self._said(response))]

    def _said(self, response: Any) -> Generation | None:  # noqa: ANN401 - mlx-lm's response
        going = self._going[response.uid]
        self._spoken += 1
        going.spoken.append(int(response.token))
        if going.request.sampling.logprobs:
            going.logprobs.append(float(response.logprobs[response.token]))
        if response.finish_reason is None:
            return None
        del self._going[response.uid]
        logprobs = tuple(going.logprobs) if going.request.sampling.logprobs else None
        finish: Literal["stop", "length"] = "stop" if response.finish_reason == "stop" else "length"
        return Generation(id=going.id, tokens=tuple(going.spoken), finish=finish, cached=0, logprobs=logprobs)


def _sampler(sampling: SamplingParams, matcher: Matcher | None) -> Any:  # noqa: ANN401 - mlx-lm's kind of function
    chance: np.random.Generator = generator(sampling)

    def pick(logprobs: mx.array) -> mx.array:
        if sampling.temperature == 0:
            return mx.argmax(logprobs, axis=-1)
        return sampled(logprobs.astype(mx.float32), [sampling], [float(chance.random())])

    def fitting(logprobs: mx.array) -> mx.array:
        fits = masked(logprobs, [matcher])
        token = int(np.array(pick(fits))[0])
        return mx.array([settled(fits[0], token, matcher) if matcher else token], dtype=mx.uint32)

    return fitting if matcher else pick
