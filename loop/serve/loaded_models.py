"""The policies in memory that answer people: each a server of its own, started when somebody asks for it.

A promotion or a rollback changes who is asked for: the new policy's server starts, the old one ends what it was asked
before and leaves. At most `most` stay; one that nobody asked for in a while leaves as well.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from loop.errors import ProviderError
from loop.runtime.gpu import Served
from loop.serve.errors import Refusal
from loop.serve.placement import Placement

log = structlog.get_logger()
LOOK: Final = 1.0
"""Seconds between two looks at who has been idle for too long."""
Serving = Callable[[Placement], AbstractContextManager[Served]]
"""Serves a policy for as long as the block lasts, in a child of its own."""


@dataclass(eq=False)
class LoadedModel:
    """One policy's server."""

    place: Placement
    """What it was started for."""
    started: "asyncio.Task[tuple[Served, ExitStack]]"
    asked: int = 0
    """Requests under way."""
    last: float = field(default_factory=time.monotonic)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nothing is under way."""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Have a request under way for the block."""
        self.asked += 1
        self.answered.clear()
        try:
            yield
        finally:
            self.asked -= 1
            self.last = time.monotonic()
            if not self.asked:
                self.answered.set()

    @property
    def served(self) -> Served | None:
        """The server, once it is there."""
        done = self.started.done() and not self.started.cancelled() and self.started.exception() is None
        return self.started.result()[0] if done else None

    @property
    def broken(self) -> bool:
        """Whether it did not come up, or went away."""
        return self.started.done() and (self.served is None or not self.served.alive)


class LoadedModels:
    """Who is in memory. Use it from one event loop."""

    def __init__(self, serving: Serving, best: Callable[[], Placement], *, most: int, keep: float) -> None:
        """Begin with nobody.

        Args:
            serving: starts a policy's server.
            best: says where what is best now is served; called in a thread.
            most: policies in memory at once.
            keep: seconds for which one stays that nobody asks.
        """
        self._serving, self._most, self._keep = serving, most, keep
        self._best, self._before = best, ""
        self._loaded: dict[str, LoadedModel] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """Who is there, or coming."""
        return tuple(self._loaded.values())

    @asynccontextmanager
    async def use(self, placement: Placement) -> AsyncIterator[Served]:
        """Have a policy's server for one request; waits until it is there.

        Raises:
            Refusal: it does not come up.
        """
        model = self._loaded.get(placement.name)
        if model is None or model.broken:
            model = self._load(placement)
        with model.asking():
            try:
                served, _ = await asyncio.shield(model.started)
            except ProviderError as error:
                why = f"The model did not load: {error}"
                raise Refusal(503, why, code="model_not_loaded", retry_after=5) from error
            yield served

    async def tend(self) -> None:
        """Let go of who has been idle for too long, and of who went away, until cancelled; then of everybody.

        Where another policy became the best and the one before is in memory, it is loaded before anybody asks.
        """
        try:
            while True:
                await asyncio.sleep(LOOK)
                await self._follow()
                late = time.monotonic() - self._keep
                for model in [*self._loaded.values()]:
                    if model.broken or (not model.asked and model.last < late):
                        self._unload(model)
        finally:
            for model in [*self._loaded.values()]:
                self._unload(model)
            await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _follow(self) -> None:
        place = await asyncio.to_thread(self._best)
        if self._before in self._loaded and place.name not in self._loaded:
            self._load(place)
        self._before = place.name

    def _load(self, placement: Placement) -> LoadedModel:
        """Start a policy's server; the one that was asked the longest ago makes room."""
        if (gone := self._loaded.get(placement.name)) is not None:
            self._unload(gone)
        while len(self._loaded) >= self._most:
            idle = [model for model in self._loaded.values() if not model.asked]
            self._unload(min(idle or self._loaded.values(), key=lambda model: model.last))
        log.info("model_loading", policy=placement.policy.id[:12])
        started = asyncio.create_task(asyncio.to_thread(self._start, placement))
        self._loaded[placement.name] = model = LoadedModel(placement, started)
        return model

    def _start(self, placement: Placement) -> tuple[Served, ExitStack]:
        stack = ExitStack()
        return stack.enter_context(self._serving(placement)), stack

    def _unload(self, model: LoadedModel) -> None:
        """Ask nothing more of a server, and end it when its last request is answered."""
        if self._loaded.get(model.place.name) is model:
            del self._loaded[model.place.name]
        task = asyncio.create_task(self._end(model))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _end(self, model: LoadedModel) -> None:
        with contextlib.suppress(ProviderError):
            _, stack = await model.started
            if model.asked:
                await model.answered.wait()
            await asyncio.to_thread(stack.close)
        log.info("model_unloaded", policy=model.place.policy.id[:12])
