"""The thread that owns the model: requests come in from the server's loop, answers go back to it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final, Literal

import structlog

from loop.compute.cpu.threads import Threads
from loop.runtime.gpu_turn import GpuTurn
from loop.student.engine.conversations import TokenRequest
from loop.student.engine.interface import Batching, GeneratedSoFar, Generation, Queue, Stats, Unservable
from loop.types import Record

log = structlog.get_logger()
PATIENCE: Final = 5.0
"""Seconds to wait for the thread at the end."""


class Queued(Record):
    """What a waiting client is told: why it waits, and how many are ahead of it."""

    reason: Literal["rows", "memory"]
    ahead: int


@dataclass(eq=False)
class Listener:
    """Who waits for an answer. Its functions are called in the engine's thread."""

    queued: Callable[[Queued], None]
    """Called once, where the request has to wait for room."""
    spoken: Callable[[GeneratedSoFar], None] | None = None
    """Called each time there is more of the answer."""
    answer: Future[Generation] = field(default_factory=Future)
    notified: bool = False
    heard: int = 0
    """Tokens that `spoken` was told."""


class Service:
    """Runs an engine in one thread of its own, because MLX's state belongs to a thread."""

    def __init__(
        self, build: Callable[[], Batching], *, failed: Callable[[], None], turn: GpuTurn | None = None
    ) -> None:
        """Prepare the thread.

        Args:
            build: makes the engine; called in the thread.
            failed: called once if the engine breaks.
            turn: when it may compute; None where the machine is this process's own.
        """
        self._build, self._failed, self._turn = build, failed, turn or GpuTurn(None)
        self._inbox: SimpleQueue[Callable[[Batching], None]] = SimpleQueue()
        self._listeners: dict[int, Listener] = {}
        self._short: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.ready: Future[Batching] = Future()
        """Done when the engine is built."""

    def start(self) -> None:
        """Build the engine and serve it."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its present step."""
        self._ending.set()
        self._inbox.put(lambda _: None)
        self._thread.join(PATIENCE)

    async def ask(
        self,
        request: TokenRequest,
        queued: Callable[[Queued], None],
        spoken: Callable[[GeneratedSoFar], None] | None = None,
    ) -> Generation:
        """Wait for a request's answer. Cancelling frees its row.

        Args:
            request: what to answer.
            queued: called once, in the engine's thread, where the request has to wait for room.
            spoken: called in the engine's thread each time there is more of the answer.

        Raises:
            Refused: it can never be served.
        """
        listener = Listener(queued, spoken)
        self._inbox.put(lambda engine: self._submit(engine, request, listener))
        try:
            return await asyncio.wrap_future(listener.answer)
        except asyncio.CancelledError:
            self._inbox.put(lambda engine: self._forget(engine, listener))
            raise

    async def follow(
        self, request: TokenRequest, queued: Callable[[Queued], None]
    ) -> AsyncGenerator[GeneratedSoFar | Generation]:
        """Give an answer as it grows, and whole in the end. Closing it frees the row.

        Args:
            request: what to answer.
            queued: as `ask` has it.

        Raises:
            Refused: it can never be served.
        """
        loop, news, latest = asyncio.get_running_loop(), asyncio.Event(), [GeneratedSoFar()]

        def spoken(more: GeneratedSoFar) -> None:
            latest[0] = more
            loop.call_soon_threadsafe(news.set)

        asked = asyncio.ensure_future(self.ask(request, queued, spoken))
        asked.add_done_callback(lambda _: news.set())
        try:
            while not asked.done():
                await news.wait()
                news.clear()
                if not asked.done():
                    yield latest[0]
            yield await asked
        finally:
            asked.cancel()

    async def stats(self) -> Stats:
        """Read the engine's counters."""
        future: Future[Stats] = Future()
        self._inbox.put(lambda engine: future.set_result(engine.stats))
        return await asyncio.wrap_future(future)

    def _submit(self, engine: Batching, request: TokenRequest, listener: Listener) -> None:
        if listener.answer.cancelled():
            return
        try:
            identity = engine.submit(request)
        except Unservable as error:
            listener.answer.set_exception(error)
        else:
            self._listeners[identity] = listener

    def _forget(self, engine: Batching, listener: Listener) -> None:
        for identity in [identity for identity, item in self._listeners.items() if item is listener]:
            del self._listeners[identity]
            engine.cancel(identity)

    def _run(self) -> None:
        try:
            with self._turn.held():
                engine = self._build()
        except Exception as error:  # noqa: BLE001 - handed on whole to whoever waits for the engine
            self.ready.set_exception(error)
            return
        self.ready.set_result(engine)
        threads = Threads()
        try:
            while not self._ending.is_set():
                self._take(engine)
                threads.settle()
                if engine.busy:
                    self._turn.acquire()
                answers = engine.step()
                self._tell(engine)
                for answer in answers:
                    self._deliver(answer)
        except Exception:
            log.exception("engine_broken")
            self._failed()

    def _take(self, engine: Batching) -> None:
        """Do what came in; wait for something where the engine has nothing to do."""
        if not engine.busy:
            self._idle()(engine)
        while True:
            try:
                self._inbox.get_nowait()(engine)
            except Empty:
                return

    def _idle(self) -> Callable[[Batching], None]:
        """Wait for something to do, and let others compute meanwhile."""
        try:
            if linger := self._turn.linger:
                return self._inbox.get(timeout=linger)
        except Empty:
            pass
        self._turn.release()
        return self._inbox.get()

    def _tell(self, engine: Batching) -> None:
        """Tell each that has to wait, once, and the log when it begins to be for memory; and each what was said."""
        queue: Queue = engine.queue
        if queue.reason == "memory" != self._short:
            log.warning("requests_wait_for_memory", waiting=len(queue.ids))
        self._short = queue.reason
        for ahead, identity in enumerate(queue.ids):
            if queue.reason and (listener := self._listeners.get(identity)) and not listener.notified:
                listener.notified = True
                listener.queued(Queued(reason=queue.reason, ahead=ahead))
        for identity, listener in self._listeners.items():
            if listener.spoken and len((said := engine.spoken(identity)).tokens) > listener.heard:
                listener.heard = len(said.tokens)
                listener.spoken(said)

    def _deliver(self, answer: Generation) -> None:
        listener = self._listeners.pop(answer.id, None)
        if listener is not None and listener.answer.set_running_or_notify_cancel():
            listener.answer.set_result(answer)
