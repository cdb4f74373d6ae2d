"""The thread that owns the model: requests come in from the server's loop, answers go back to it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final, Literal

import structlog

from loop.compute.cpu.threads import Threads
from loop.student.engine.batching import Answer, Batching, Queue, Refused, Stats
from loop.student.engine.conversations import Request
from loop.types import Record

log = structlog.get_logger()
PATIENCE: Final = 5.0
"""Seconds to wait for the thread at the end."""


class Queued(Record):
    """Told to who has to wait: what for, and how many wait in front of him."""

    reason: Literal["rows", "memory"]
    ahead: int


class Service:
    """Runs an engine in one thread of its own, because MLX's state belongs to a thread."""

    def __init__(self, build: Callable[[], Batching], *, failed: Callable[[], None]) -> None:
        """Prepare the thread.

        Args:
            build: makes the engine; called in the thread.
            failed: called once if the engine breaks.
        """
        self._build, self._failed = build, failed
        self._inbox: SimpleQueue[Callable[[Batching], None]] = SimpleQueue()
        self._waiting: dict[int, Future[Answer]] = {}
        self._untold: dict[int, Callable[[Queued], None]] = {}
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

    async def ask(self, request: Request, queued: Callable[[Queued], None]) -> Answer:
        """Wait for a request's answer. Cancelling frees its row.

        Args:
            request: what to answer.
            queued: called once, in the engine's thread, where the request has to wait for room.

        Raises:
            Refused: it can never be served.
        """
        future: Future[Answer] = Future()
        self._inbox.put(lambda engine: self._submit(engine, request, future, queued))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._inbox.put(lambda engine: self._forget(engine, future))
            raise

    async def stats(self) -> Stats:
        """Read the engine's counters."""
        future: Future[Stats] = Future()
        self._inbox.put(lambda engine: future.set_result(engine.stats))
        return await asyncio.wrap_future(future)

    def _submit(
        self, engine: Batching, request: Request, future: Future[Answer], queued: Callable[[Queued], None]
    ) -> None:
        if future.cancelled():
            return
        try:
            identity = engine.submit(request)
        except Refused as error:
            future.set_exception(error)
        else:
            self._waiting[identity], self._untold[identity] = future, queued

    def _forget(self, engine: Batching, future: Future[Answer]) -> None:
        for identity in [identity for identity, waiting in self._waiting.items() if waiting is future]:
            del self._waiting[identity]
            self._untold.pop(identity, None)
            engine.cancel(identity)

    def _run(self) -> None:
        try:
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
                answers = engine.step()
                self._tell(engine.queue)
                for answer in answers:
                    self._deliver(answer)
        except Exception:
            log.exception("engine_broken")
            self._failed()

    def _take(self, engine: Batching) -> None:
        """Do what came in; wait for something where the engine has nothing to do."""
        if not engine.busy:
            self._inbox.get()(engine)
        while True:
            try:
                self._inbox.get_nowait()(engine)
            except Empty:
                return

    def _tell(self, queue: Queue) -> None:
        """Tell each that has to wait, once, and the log when it begins to be for memory."""
        if queue.reason == "memory" != self._short:
            log.warning("requests_wait_for_memory", waiting=len(queue.ids))
        self._short = queue.reason
        for ahead, identity in enumerate(queue.ids):
            if queue.reason and (queued := self._untold.pop(identity, None)):
                queued(Queued(reason=queue.reason, ahead=ahead))

    def _deliver(self, answer: Answer) -> None:
        self._untold.pop(answer.id, None)
        future = self._waiting.pop(answer.id, None)
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(answer)
