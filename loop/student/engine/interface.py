"""What an engine is asked and what it tells: the same for every engine."""

from typing import Literal, Protocol

from loop.errors import LoopdError
from loop.student.engine.conversations import TokenRequest
from loop.types import Record


class Unservable(LoopdError):
    """A request that can never be served."""


class Generation(Record):
    """What was sampled for a request."""

    id: int
    tokens: tuple[int, ...]
    finish: Literal["stop", "length"]
    cached: int
    """Tokens of the prompt that were there before, or that another request computed."""
    logprobs: tuple[float, ...] | None = None


class GeneratedSoFar(Record):
    """What a request was answered so far."""

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """One a token."""


class Queue(Record):
    """Requests that wait, in order, and what for: one of the rows, or keys and values."""

    ids: tuple[int, ...] = ()
    reason: Literal["rows", "memory"] | None = None


class Stats(Record):
    """Counters since the start, and how full it is now."""

    read: int = 0
    """Tokens of prompts that went through the model, prefixes included."""
    spoken: int = 0
    guessed: int = 0
    """Tokens that went through the model before they were said."""
    right: int = 0
    """Those of them that then were."""
    steps: int = 0
    seconds: float = 0.0
    """Spent inside steps."""
    prefix_hits: int = 0
    prefix_loads: int = 0
    """Prefixes that were read from disk."""
    rows: int = 0
    waiting: int = 0
    waiting_for: Literal["rows", "memory"] | None = None
    kv_bytes: int = 0
    base_bytes: int = 0
    """Of the model's weights, without adapters beside them."""
    adapters: tuple[str, ...] = ()
    """Those beside the model."""
    adapter_bytes: int = 0


class Batching(Protocol):
    """What answers requests in batches."""

    kind: str
    """Which engine it is, to be shown."""

    def submit(self, request: TokenRequest) -> int:
        """Queue a request and give its id."""
        ...

    def cancel(self, identity: int) -> None:
        """Forget a request: nobody waits for the answer."""
        ...

    @property
    def queue(self) -> Queue:
        """Those for whom the last step had no room."""
        ...

    @property
    def context(self) -> int:
        """How many tokens a conversation may have."""
        ...

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        ...

    @property
    def stats(self) -> Stats:
        """Counters since the start."""
        ...

    def spoken(self, identity: int) -> GeneratedSoFar:
        """Give what a request was answered so far; nothing where it waits still, or is done."""
        ...

    def step(self) -> list[Generation]:
        """Compute a step, and give the answers that it finished."""
        ...
