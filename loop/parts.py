"""The parts of one running loopd, and how they are put together from the configuration.

Parts do not know the daemon; the daemon's stages get them as one frozen value.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import structlog

from curriculum.sampler import Sampler
from loop import plugins
from loop.config import Config, examine
from loop.control import lease
from loop.control.progress import Board
from loop.control.stopwatch import Stopwatch
from loop.control.tracing import Silent, Tracing, to_collector
from loop.control.window import Window, telling
from loop.errors import ConfigError, NotFound
from loop.rollout.budget import Cashier
from loop.rollout.pool import LocalPool, Pool
from loop.rollout.ray_pool import RayPool
from loop.routing.speakers import Speakers
from loop.runtime import ceiling
from loop.runtime.awake import Awake
from loop.runtime.gpu import Gpu, KeptPrefixes, Served
from loop.runtime.paths import Paths
from loop.runtime.signals import StopRequest
from loop.store import Store
from loop.types import ArmKey, Checker, Gate, Part, Policy, Record, Round, Standing, Suite, TaskGenerator
from loop.weights import sources
from loop.windows.limits import Windows
from task_generators.suites import grown
from task_generators.suites import suite as suite_named
from task_generators.suites.brought import BROUGHT
from task_generators.suites.brought.defog import CHECKERS
from teachers.base.teacher import Teacher


class Base(Record):
    """The base model on disk."""

    path: Path
    digest: str

    def fits(self, policy: Policy) -> Self:
        """Make sure that this is the model that a policy was made for.

        Raises:
            ConfigError: it is another one.
        """
        if policy.base != self.digest:
            raise ConfigError(
                f"student.source is another base model ({self.digest[:12]}) than the one of policy {policy.id[:12]} "
                f"({policy.base[:12]}). Name that one again, or begin anew: LOOPD_HOME=DIRECTORY loopd start"
            )
        return self


log = structlog.get_logger()


@dataclass(frozen=True)
class Loop:
    """Everything that a stage works with."""

    config: Config
    paths: Paths
    store: Store
    pool: Pool
    gpu: Gpu
    base: Base
    generators: tuple[TaskGenerator, ...]
    curriculum: Sampler
    checkers: tuple[Checker, ...]
    gates: tuple[Gate, ...]
    cashier: Cashier
    board: Board
    stop: StopRequest
    speakers: Speakers
    """Says which member of a routed set plays."""
    window: Window
    awake: Awake
    time: Stopwatch = field(default_factory=Stopwatch)
    tracing: Tracing = field(default_factory=Silent)
    finished: list[Round] = field(default_factory=list)
    """Rounds that ended in this process, those of proposed candidates left out."""

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Wait in this block: the machine may sleep, and the time is nobody's."""
        with self.awake.off(), self.time.wait():
            yield

    def enough(self) -> bool:
        """Whether as many rounds have ended as the configuration says, and none that was begun waits."""
        spent = self.config.rounds is not None and len(self.finished) >= self.config.rounds
        return spent and self.store.rounds.unfinished() is None

    def ended(self, rnd: Round) -> None:
        """Note a round's end where people look."""
        if not self.store.rounds.proposed(rnd):
            self.finished.append(rnd)
        gates = self.store.gates.results(rnd)
        self.board.update(decision=rnd.reason or str(rnd.state), champion=self.champion.shown, gates=gates)
        self.tracing.ended(rnd, self.store.rounds.begun(rnd))

    @property
    def champion(self) -> Policy:
        """The policy that plays."""
        champion = self.store.policies.champion()
        assert champion is not None, "build() crowns the stock model"
        return champion

    @property
    def stock(self) -> Policy:
        """The base model as it came, under this configuration's prompt and template."""
        student = self.config.student
        return Policy(base=self.base.digest, system=student.system, template=student.template)

    def suite_of(self, gate: Gate) -> Suite:
        """Give the suite that a gate measures on: its own, or that as it has grown."""
        return suite_named(grown(gate.suite, self.store.suites.grown(gate.suite)))

    @property
    def required(self) -> list[tuple[str, int]]:
        """Checkers that a trajectory must pass, with their current versions."""
        return [(checker.name, checker.version) for checker in self.checkers]

    def arms(self) -> dict[ArmKey, TaskGenerator]:
        """Every arm that the configuration allows, with the generator that makes its tasks."""
        keys = {key: generator for generator in self.generators for key in generator.arms}
        return {key: generator for key, generator in keys.items() if self._allows(key)}

    def _allows(self, key: ArmKey) -> bool:
        sampling = self.config.sampling
        backends = not sampling.backends or set(sampling.backends).issuperset(key.backends)
        return backends and key.tier in sampling.tiers and (not sampling.families or key.family in sampling.families)

    @contextmanager
    def serving(self, policy: Policy) -> Iterator[Served]:
        """Serve the student at one policy; of a routed set, one of its members."""
        assert policy.routing is None, "several policies answer for a routed set"
        student = self.config.student
        with self.gpu.serving(
            self.base.fits(policy).path,
            template=policy.template,
            adapter=self.paths.adapter(policy),
            precision=policy.precision,
            max_rows=student.max_rows,
            prefixes=KeptPrefixes(directory=self.paths.prefixes, mib=student.prefix_mib, policy=policy.id),
        ) as served:
            self.board.update(student=served.ready.words)
            yield served


BY_HAND: Final = Windows(awake=False)
"""What somebody types runs at once."""


@contextmanager
def build(  # noqa: PLR0913 - the parts that a test may bring are keywords
    config: Config,
    paths: Paths,
    board: Board,
    stop: StopRequest,
    *,
    store: Store | None = None,
    gpu: Gpu | None = None,
    windows: Windows = BY_HAND,
    tracing: Tracing | None = None,
) -> Iterator[Loop]:
    """Put a loop together, crown the stock model where nobody is champion yet, and take everything down afterwards.

    Args:
        config: settings.
        paths: directories, which exist.
        board: where what happens is told.
        stop: how it is asked to stop.
        store: another store than the one that the settings name.
        gpu: another GPU than this machine's.
        windows: when it may use the GPU.
        tracing: whoever is told what happens, in place of the collector that the settings name.

    Raises:
        ConfigError: a part, a setting or the model source is not known.
        AlreadyRunning: a daemon with another data directory writes to the same database.
    """
    examine(config)
    with ExitStack() as stack:
        with stop.waiting():  # a model may have to be fetched first
            base = base_model(config, paths)
        store = stack.enter_context(store or Store.open(config.database or paths.database))
        stack.enter_context(lease.hold(store, paths.data))
        loop = Loop(
            config=config,
            paths=paths,
            store=store,
            pool=stack.enter_context(_pool(config, paths)),
            gpu=stack.enter_context(gpu or _gpu(paths, windows)),
            base=base,
            generators=_load("task_generators", config.sampling.generators),
            curriculum=plugins.load("curriculum", config.sampling.curriculum),
            checkers=_load("checkers", config.checkers),
            gates=_load("loop.gates", config.gating.gates),
            cashier=Cashier(config.teachers, store),
            board=board,
            stop=stop,
            speakers=Speakers(store, paths),
            window=stack.enter_context(Window(windows, paths.run, telling(board, store))),
            awake=Awake() if windows.awake else Awake(None),
            tracing=tracing or stack.enter_context(to_collector(config.telemetry.traces, lease.identity(paths.data))),
        )
        store.verdicts.require(loop.required)
        if store.policies.champion() is None:
            store.policies.add(loop.stock, Standing.CHAMPION)
        _check_champion(loop)
        yield loop


def _gpu(paths: Paths, windows: Windows) -> Gpu:
    return Gpu(paths.run, paths.logs, paths.scratch, environment=ceiling.environment(windows.memory_gib))


def _check_champion(loop: Loop) -> None:
    """Refuse to serve a champion on another base model; say where its prompt or template is not the configured one."""
    champion, stock = loop.champion, loop.stock
    loop.base.fits(champion)
    if champion.template != stock.template or not champion.system.startswith(stock.system):
        log.warning("setting_not_in_force", why="the champion keeps its own prompt and template: loopd model propose")


def _load(package: str, parts: tuple[Part, ...]) -> tuple[Any, ...]:
    return tuple(plugins.load(package, part) for part in parts)


def _pool(config: Config, paths: Paths) -> Pool:
    if config.plays.pool == "local":
        return LocalPool(config.plays.in_flight)
    return RayPool(
        config.plays.workers,
        run=paths.run,
        logs=paths.logs,
        in_flight=config.plays.in_flight,
        environment=_credentials(config, os.environ),
    )


def _credentials(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Pick from our environment what the configured teachers name: their keys, by variable or by file."""
    teachers: list[Teacher] = [plugins.load("teachers", teacher) for teacher in config.teachers]
    named = {name for teacher in teachers for name in teacher.variables}
    return {name: environ[name] for name in sorted(named) if name in environ}


def base_model(config: Config, paths: Paths) -> Base:
    """Find the configured base model, and name it by its files.

    Raises:
        ConfigError: there is no such model.
    """
    path = sources.find(config.student.source, paths.models, config.student.template)
    return Base(path=path, digest=sources.directory_digest(path))


def suite_called(store: Store, name: str) -> Suite:
    """Look a suite up: a frozen one, or one that was brought (`loopd suite add`).

    Raises:
        NotFound: there is none of that name, or it was not brought yet.
    """
    if name not in BROUGHT:
        return suite_named(name)
    newest = store.suites.newest(name)
    if newest is None:
        raise NotFound(f"Suite '{name}' has not been imported. Type: loopd suite add {BROUGHT[name]} --path DIRECTORY")
    return newest.model_copy(update={"checkers": CHECKERS})
