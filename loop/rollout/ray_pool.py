"""Plays in Ray workers. Ray lives in a supervised child (`python -m loop.rollout.ray_pool`), never in the daemon.

A driver of Ray dies with Ray's control server, loses its signal handlers to Ray, and does not recover from a dead
raylet. So the child is the driver, and the daemon speaks JSON lines with it: plays in, trajectories out. When the child
goes away its plays come back as lost, and it is started again.
"""

import importlib
import json
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from itertools import count, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Any, Final, NoReturn, Self

import psutil
import structlog
from pydantic import ValidationError

from loop.errors import FailureKind, ProviderError
from loop.rollout import ray_home
from loop.rollout.pool import Outcome, failed, guarded
from loop.runtime.child import Child, end_session
from loop.types import Play, Record, Trajectory

log = structlog.get_logger()
READY: Final = 120.0
"""Seconds that Ray has to come up; 5 to 10 are usual."""
SILENCE: Final = 60.0
"""Seconds without a word after which the child counts as stuck: while it plays it speaks every `PULSE` seconds."""
PULSE: Final = 1.0
RESTARTS: Final = 5
WINDOW: Final = 600.0
"""More than `RESTARTS` restarts within this many seconds are no accident."""
LONGEST_WAIT: Final = 30.0
OBJECT_STORE: Final = 128 * 1024 * 1024
"""Bytes. Plays and trajectories are small; macOS allows 2 GiB at most."""
LARGEST: Final = 16 * 1024 * 1024
"""Longest trajectory that a worker hands back, characters of JSON."""
HERE: Final = '{"ticket":0}'
"""The answer that says only: I am up. Tickets of plays begin at 1."""


class RayPoolSettings(Record):
    """What the child is told when it starts."""

    workers: int
    threads: int
    """Plays that one worker has in flight."""
    play: str
    """`module:function` that plays one."""
    directory: Path
    """The home of Ray's own files. Short, because socket paths end at 103 characters on macOS."""


class TicketResult(Record):
    """What the child says of one ticket."""

    ticket: int
    trajectory: Trajectory | None = None
    lost: str | None = None
    """Why there is no trajectory."""


class RayPool:
    """Ray workers, several plays in each: a play waits for the student's server nearly all of the time.

    One `run` at a time. The child starts with the block and needs some seconds, which the first `run` waits for.

    Args:
        workers: Worker processes.
        run: Directory for the child's record.
        logs: Directory for its stderr.
        in_flight: Plays under way at once; eight a worker by default.
        play: `module:function` that plays one.
        environment: What the workers get beside the scrubbed environment: the teachers' credentials, say.
    """

    def __init__(  # noqa: PLR0913 - two places, two numbers, and what the workers run and see
        self,
        workers: int,
        *,
        run: Path,
        logs: Path,
        in_flight: int | None = None,
        play: str = "loop.rollout.play:play",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._in_flight = in_flight or 8 * workers
        self._workers, self._threads, self._play = workers, -(-self._in_flight // workers), play
        self._run, self._logs, self._environment = run, logs, dict(environment or {})
        self._tickets = count(1)
        self._child: Child | None = None
        self._up = False
        self._deaths = deque[float](maxlen=RESTARTS + 1)

    def __enter__(self) -> Self:
        """Start the child; does not wait for it."""
        ray_home.remove(self._run)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child and with it every worker."""
        self._stop()

    def run(self, plays: Iterable[Play]) -> Iterator[Outcome]:
        """Play each play once; yield each as it finishes.

        Raises:
            ProviderError: the child died more than `RESTARTS` times within `WINDOW` seconds (FATAL).
        """
        owed, flying = iter(plays), dict[int, Play]()
        try:
            while (fresh := self._take(owed, flying)) is not None:
                yield from self._exchange(fresh, flying)
        except GeneratorExit:
            self._cancel(flying)
            raise
        except BaseException:  # a signal may have cut a line in two
            self._stop()
            raise

    def _take(self, owed: Iterator[Play], flying: dict[int, Play]) -> dict[int, Play] | None:
        """Give tickets to as many plays as there is room for. None when nothing is left to do."""
        fresh = dict(zip(self._tickets, islice(owed, self._in_flight - len(flying)), strict=False))
        flying.update(fresh)
        return fresh if flying else None

    def _exchange(self, fresh: Mapping[int, Play], flying: dict[int, Play]) -> Iterator[Outcome]:
        """Send what is new, wait for one answer."""
        try:
            child = self._ready()
            for ticket, play in fresh.items():
                child.send(f'{{"ticket":{ticket},"play":{play.model_dump_json()}}}')
            answer = self._answer(child, SILENCE)
        except ProviderError as error:
            self._stop()
            if error.kind is FailureKind.FATAL:
                raise
            self._deaths.append(time.monotonic())
            log.warning("pool_lost", message=str(error), plays=len(flying))
            gone = [flying.pop(ticket) for ticket in [*flying]]
            yield from ((play, failed(play, FailureKind.LOST, str(error))) for play in gone)
            return
        if answer.ticket in flying:
            play = flying.pop(answer.ticket)
            yield play, answer.trajectory or failed(play, FailureKind.LOST, answer.lost or "the worker went away")

    def _cancel(self, flying: Mapping[int, Play]) -> None:
        """Forget what is in flight: the workers that play it are ended, and their answers ignored."""
        try:
            if flying and self._child:
                self._child.send('{"cancel":true}')
        except ProviderError:
            self._stop()

    def _ready(self) -> Child:
        """Get a child that is up, started again if need be."""
        if self._child is None:
            self._back_off()
            self._start()
        assert self._child is not None
        if not self._up:
            self._answer(self._child, READY)
            self._up = True
        return self._child

    def _back_off(self) -> None:
        recent = sum(time.monotonic() - death < WINDOW for death in self._deaths)
        if recent > RESTARTS:
            often = f"Ray died {recent} times within {WINDOW / 60:.0f} minutes"
            raise ProviderError(FailureKind.FATAL, f"{often}: see {self._logs}/ray.log, or start with `--no-ray`.")
        time.sleep(min(LONGEST_WAIT, 2 ** max(recent - 1, 0) - 1))

    def _answer(self, child: Child, timeout: float) -> TicketResult:
        try:
            line = child.line(timeout)
            if line is None:
                raise child.lost()
            return TicketResult.model_validate_json(line)
        except TimeoutError as error:
            raise ProviderError(FailureKind.LOST, f"{error}. {child.tail()}") from error
        except ValidationError as error:
            raise ProviderError(FailureKind.BAD_OUTPUT, f"Ray's child sent an invalid answer: {error}") from error

    def _start(self) -> None:
        directory, environment = ray_home.make(self._run)
        settings = RayPoolSettings(workers=self._workers, threads=self._threads, play=self._play, directory=directory)
        arguments = (sys.executable, "-m", "loop.rollout.ray_pool", settings.model_dump_json())
        environment |= self._environment
        self._child = Child("ray", arguments, run=self._run, logs=self._logs, environment=environment, grace=0.0)
        self._up = False

    def _stop(self) -> None:
        if self._child:
            self._child.terminate()
        self._child = None
        ray_home.remove(self._run)


# --- in the child -----------------------------------------------------------------------------------------------------


class Worker:
    """What runs in a Ray process."""

    def __init__(self, play: str) -> None:
        module, _, name = play.partition(":")
        self._play: Callable[[Play], Trajectory] = getattr(importlib.import_module(module), name)

    def play(self, text: str) -> str:
        """Play a play; both sides as JSON."""
        job = Play.model_validate_json(text)
        try:
            answer = guarded(self._play, job).model_dump_json()
        except ValueError as error:  # a text that is no Unicode
            return failed(job, FailureKind.BAD_OUTPUT, f"no JSON: {error}").model_dump_json()
        if len(answer) <= LARGEST:
            return answer
        return failed(job, FailureKind.BAD_OUTPUT, f"a trajectory of {len(answer)} characters").model_dump_json()


class Crew:
    """Ray's actors and what each has in flight. A dead one is replaced; Ray repeats nothing by itself."""

    def __init__(self, settings: RayPoolSettings) -> None:
        import ray  # noqa: PLC0415 - the daemon, which imports this module, never loads Ray

        self._settings, self._kill, self._death = settings, ray.kill, ray.exceptions.RayActorError
        options = {"max_restarts": 0, "max_task_retries": 0, "num_cpus": 0, "max_concurrency": settings.threads}
        self._actor = ray.remote(**options)(Worker)
        self._load: dict[Any, set[int]] = {}
        for _ in range(settings.workers):
            self._add()

    def submit(self, ticket: int, text: str, done: Callable[[int, Future[str]], None]) -> None:
        """Give a play to the actor that has least to do; `done` is called in another thread."""
        actor = min(self._load, key=lambda worker: len(self._load[worker]))
        self._load[actor].add(ticket)
        future: Future[str] = actor.play.remote(text).future()
        future.add_done_callback(lambda future: done(ticket, future))

    def settle(self, ticket: int, future: "Future[str]") -> str:
        """Spell the answer to a ticket; replaces the actor where it died."""
        actor = next((actor for actor, tickets in self._load.items() if ticket in tickets), None)
        error = future.exception()
        if actor is not None:
            self._load[actor].discard(ticket)
            if isinstance(error, self._death):
                self._replace(actor)
        if error is None:
            return f'{{"ticket":{ticket},"trajectory":{future.result()}}}'
        return TicketResult(ticket=ticket, lost=f"{type(error).__name__}: {error}"[:2000]).model_dump_json()

    def cancel(self) -> None:
        """End every actor that plays something."""
        for actor in [actor for actor, tickets in self._load.items() if tickets]:
            self._kill(actor)
            self._replace(actor)

    @property
    def busy(self) -> bool:
        """Whether anything is in flight."""
        return any(self._load.values())

    def _add(self) -> None:
        self._load[self._actor.remote(self._settings.play)] = set()

    def _replace(self, actor: object) -> None:
        del self._load[actor]
        self._add()


Event = bytes | tuple[int, "Future[str]"]
"""A line of the daemon's, or a settled ticket."""


def main() -> NoReturn:
    """Be the child: bring Ray up, say so, and relay until the daemon ends it or is gone."""
    settings = RayPoolSettings.model_validate_json(sys.argv[1])
    out, inbox = _claim_stdout(), SimpleQueue[Event]()
    ray_home.occupy(settings.directory)
    Thread(target=_listen, args=(inbox, settings.directory), daemon=True).start()
    servers = _start_ray(settings)
    _relay(Crew(settings), inbox, out, servers)


def _claim_stdout() -> IO[str]:
    """Keep stdout for answers; whatever else Ray prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _listen(inbox: "SimpleQueue[Event]", directory: Path) -> None:
    """Hand on what the daemon says. When it is gone, Ray goes at once: there is nothing in it to be saved."""
    for line in sys.stdin.buffer:
        inbox.put(line)
    shutil.rmtree(directory, ignore_errors=True)
    end_session()


def _start_ray(settings: RayPoolSettings) -> list[psutil.Process]:
    """Start Ray. Returns the two processes without which it is dead."""
    import ray  # noqa: PLC0415 - the daemon, which imports this module, never loads Ray

    ray.init(
        num_cpus=settings.workers,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE,
        _temp_dir=str(settings.directory / ray_home.INNER),
    )
    return [child for child in psutil.Process().children() if child.name() in {"raylet", "gcs_server"}]


def _relay(crew: Crew, inbox: "SimpleQueue[Event]", out: IO[str], servers: list[psutil.Process]) -> NoReturn:
    print(HERE, file=out, flush=True)
    while True:
        event = _next(crew, inbox, out, servers)
        if isinstance(event, bytes):
            _obey(crew, json.loads(event), inbox)
        else:
            print(crew.settle(*event), file=out, flush=True)


def _next(crew: Crew, inbox: "SimpleQueue[Event]", out: IO[str], servers: list[psutil.Process]) -> Event:
    """Wait for the next event. Meanwhile watch Ray, and let the daemon know that we do, while it waits for us."""
    while True:
        try:
            return inbox.get(timeout=PULSE)
        except Empty:
            _check(servers)
            if crew.busy:
                print(HERE, file=out, flush=True)


def _obey(crew: Crew, order: Mapping[str, Any], inbox: "SimpleQueue[Event]") -> None:
    if order.get("cancel"):
        crew.cancel()
    else:
        crew.submit(order["ticket"], json.dumps(order["play"]), lambda ticket, future: inbox.put((ticket, future)))


def _check(servers: list[psutil.Process]) -> None:
    """Give up when Ray is dead: nothing that waits for it would ever come back."""
    for server in servers:
        if not server.is_running() or server.status() == psutil.STATUS_ZOMBIE:
            sys.stderr.write(f"Ray's process {server.pid} is gone\n")
            sys.stderr.flush()
            end_session()


if __name__ == "__main__":
    # by its name: Ray would send a class of `__main__` by value
    importlib.import_module("loop.rollout.ray_pool").main()
