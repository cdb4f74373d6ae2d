"""A store on each database: SQLite in a file, and a real PostgreSQL server that lives as long as the test run."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import psycopg
import pytest

from loop.store import Store, db
from loop.store.tables import Table
from loop.types import (
    Arm,
    Call,
    Catalogue,
    Dataset,
    End,
    From,
    GateResult,
    GateVerdict,
    Message,
    Part,
    PlannedCall,
    Play,
    Policy,
    Promotion,
    Purpose,
    Round,
    Score,
    Split,
    Standing,
    Suite,
    Task,
    Tool,
    TrainingStep,
    Trajectory,
    Turn,
    Usage,
    Verdict,
)

sys.path.append(str(Path(__file__).parent))  # for `damaging`

PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")


def binaries() -> Path | None:
    """Where the server's programs lie."""
    on_path = shutil.which("initdb")
    near = [Path(on_path).resolve().parent] if on_path else []
    found = [*(each for place in PLACES for each in sorted(Path("/").glob(place[1:]), reverse=True)), *near]
    return next((each for each in found if (each / "initdb").exists() and (each / "postgres").exists()), None)


class Server:
    """A PostgreSQL server on a Unix socket, not on the network; as root it runs as the user postgres."""

    def __init__(self, place: str | None, *options: str) -> None:
        where = binaries()
        if where is None:
            if "pg" in os.environ.get("LOOPD_REQUIRE", "").split(","):
                pytest.fail("LOOPD_REQUIRE asks for PostgreSQL, but there is no initdb: install the package postgresql")
            pytest.skip("no PostgreSQL on this machine: install it, or put initdb on the PATH")
        who = {"user": "postgres"} if os.geteuid() == 0 else {}
        self.home = Path(tempfile.mkdtemp(prefix="loopd-pg-", dir=place or "/tmp"))
        if who:
            shutil.chown(self.home, user="postgres")
        self.url = f"postgresql://loopd@/{{}}?host={self.home}"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.home, **who}
        told = ("--no-sync", "-A", "trust", "-U", "loopd", "-E", "UTF8", "--locale=C", "-D", self.home / "data")
        subprocess.run([where / "initdb", *told], check=True, **quiet)
        chosen = (f"unix_socket_directories={self.home}", "listen_addresses=", "shared_buffers=32MB", *options)
        flags = [part for option in chosen for part in ("-c", option)]
        self._start = partial(subprocess.Popen, [where / "postgres", "-D", self.home / "data", *flags], **quiet)

    def start(self) -> None:
        self.server = self._start()
        wait(self.home, self.server)

    def stop(self) -> None:
        self.server.send_signal(signal.SIGQUIT)  # at once, as a crash would
        self.server.wait(30)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server that most tests share; what it loses in a crash is deleted anyway."""
    with Server(in_memory(), "fsync=off") as running:
        yield running


@pytest.fixture(scope="session")
def cluster(server: Server) -> str:
    """The URL of its databases, with a hole for the name."""
    return server.url


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop, and that syncs what it acknowledges."""
    with Server(None) as running:
        yield running


def in_memory() -> str | None:
    """A file system in memory, where there is one with room: hundreds of databases come and go there in no time."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 4 * 2**30 else None


def wait(home: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert server.poll() is None, "the server did not start"
        try:
            psycopg.connect(host=str(home), user="loopd", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the server did not answer in 10 s")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "loopd.db"
    db.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def database(cluster: str) -> str:
    """A migrated PostgreSQL database, to be emptied before each test: ten times as fast as a new one."""
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
        admin.execute("create database loopd_test")
    db.upgrade(cluster.format("loopd_test"))
    return cluster.format("loopd_test")


def make_empty(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("set session_replication_role = replica")
        for table in Table.metadata.tables:
            connection.execute(f"delete from {table}" + (" where id > 0" if table == "round" else ""))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database."""
    if request.param == "postgresql":
        database = request.getfixturevalue("database")
        make_empty(database)
        return database
    shutil.copy(request.getfixturevalue("template"), tmp_path / "loopd.db")
    return f"sqlite:///{tmp_path}/loopd.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bare.db"
    cluster, name = request.getfixturevalue("cluster"), f"bare_{uuid.uuid4().hex}"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name}")
    return cluster.format(name)


@pytest.fixture
def clock() -> "Clock":
    return Clock()


class Clock:
    """A clock that a test sets; every look is a microsecond later."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(url, max_attempts=3, clock=clock) as opened:
        yield opened


@pytest.fixture
def make() -> "type[Make]":
    return Make


class Make:
    """Small records with everything that a test does not care about filled in."""

    catalogue = Catalogue(tools=(Tool(name="look", description="Look.", parameters={"type": "object"}),))
    policy = Policy(base="base", system="You call tools.", template="chatml")
    required = (("outcome", 1), ("stop", 1))

    @staticmethod
    def task(seed: int = 0, split: Split = Split.TRAIN, backends: tuple[str, ...] = ("Files", "Trade"), **rest) -> Task:
        step = PlannedCall(name="look", arguments={"at": From(step=0, path=("a", 0)), "n": 1})
        return Task(
            generator="toy",
            family="looking",
            tier="easy",
            seed=seed,
            backends=backends,
            initial={"Files": {"n": seed}},
            tools=("look",),
            turns=(Turn(user="look there", plan=(step,)),),
            split=split,
            leak_group=f"{split}-{seed}",
            **rest,
        )

    @staticmethod
    def play(rnd: Round, task: Task, sample: int = 0, player: str = "student", policy: Policy | None = None, **rest):
        who = "scripted" if player == "scripted" else "student"
        purpose, at = rest.get("purpose", Purpose.TRAIN), policy and policy.id[:9]
        return Play(
            id=f"{rnd.id}-{purpose}-{task.id[:12]}-{player}-{sample}-{at}",
            round=rnd.id,
            task=task,
            player=Part(use=who, settings={"temperature": 0.8}),
            player_name=player,
            policy=policy and policy.id,
            sample=sample,
            seed=sample,
            system="You call tools.",
            **rest,
        )

    @classmethod
    def trajectory(cls, play: Play, **rest) -> Trajectory:
        messages = (
            Message(role="system", content="You call tools."),
            Message(role="user", content="look there", adds=("look",)),
            Message(role="assistant", content="", calls=(Call(name="look", arguments={"at": "x"}),), tokens=(1, 2)),
            Message(role="tool", content='{"n": 1}', name="look", ok=True),
            Message(role="assistant", content="Done.", tokens=(3,)),
        )
        kept = {
            "task": play.task.id,
            "player": play.player_name,
            "policy": play.policy,
            "sample": play.sample,
            "seed": play.seed,
            "rule": play.rule,
            "catalogue": cls.catalogue,
            "messages": messages,
            "end": End.CLOSED,
            "usage": Usage(prompt_tokens=10, cached_tokens=5, completion_tokens=3, requests=2, cost=0.25),
            "started": 1_800_000_000_000_000,
            "seconds": 1.5,
        }
        return Trajectory(**(kept | rest))

    @staticmethod
    def verdict(checker: str = "outcome", version: int = 1, passed: int = 1, **rest) -> Verdict:
        said = {"passed": bool(passed), "score": float(passed), "reason": "so it is"}
        return Verdict(checker=checker, version=version, **said, **rest)

    @staticmethod
    def gate(gate: str = "depth", verdict: GateVerdict = GateVerdict.HOLDS, **rest) -> GateResult:
        return GateResult(
            gate=gate,
            verdict=verdict,
            reason="measured",
            champion_rate=0.5,
            candidate_rate=0.75,
            difference=0.25,
            low=0.1,
            high=0.4,
            margin=0.03,
            tasks=10,
            samples=2,
            **rest,
        )


@pytest.fixture
def lived(store: Store, clock: Clock, live: Callable[[Store], Round]) -> Round:
    """A round with everything in it."""
    clock.now = 1_800_000_000_123_000
    return live(store)


@pytest.fixture
def live(make: type[Make]) -> Callable[[Store], Round]:
    """Lives such a round in a store."""
    return partial(live_a_round, make)


def live_a_round(make: type[Make], store: Store) -> Round:
    store.policies.add(make.policy, Standing.CHAMPION)
    rnd = store.rounds.open("config", 0)
    tasks = [make.task(0, backends=("Files",)), make.task(1)]
    plays = [make.play(rnd, task, n, policy=make.policy) for task in tasks for n in range(2)]
    plays.append(make.play(rnd, tasks[1], player="scripted"))
    lost = make.play(rnd, tasks[0], 7, policy=make.policy)
    store.plays.owe(rnd, tasks, [*plays, lost, make.play(rnd, tasks[0], 8, policy=make.policy)])
    for n, play in enumerate(plays):
        store.plays.finish(play, make.trajectory(play))
        store.verdicts.record(play.id, [make.verdict("outcome", passed=n != 1), make.verdict("stop")])
    for _ in range(3):
        store.plays.finish(lost, make.trajectory(lost, end=End.FAILED))
    store.arms.save([Arm(key=tasks[0].arm, alpha=3, beta=1, plays=3, wins=2, teacher_plays=1, last_round=1)])
    rows = tuple(each.id for each in store.trajectories.accepted(make.required))
    store.datasets.save(rnd, Dataset(id="d", rows=rows, counts={}, rules={}))
    store.training.record(rnd, TrainingStep(step=1, steps=2, loss=3.0))
    store.training.record(rnd, TrainingStep(step=1, steps=2, loss=2.0, tokens_per_second=150.5, batch_tokens=4096))
    policy = Policy(**make.policy.model_dump() | {"adapter": "a"}, parent=make.policy.id)
    store.policies.add(policy, Standing.CANDIDATE, rnd)
    measure(make, store, policy)
    store.gates.save(rnd, make.gate("depth", improved=True))
    store.gates.save(rnd, make.gate("breadth", GateVerdict.INCONCLUSIVE))
    store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=False, reason="inconclusive"))
    store.spend.settle(store.spend.reserve("deepseek", Usage(cost=1.0), round=rnd.id), Usage(cost=0.25, requests=1))
    store.spend.reserve("deepseek", Usage(cost=1.0), round=rnd.id)
    store.gates.pause("depth")
    return rnd


def measure(make: type[Make], store: Store, policy: Policy) -> None:
    held = tuple(make.task(seed, Split.HELDOUT) for seed in (50, 51))
    suite = store.suites.save(Suite(name="files", tasks=held))
    for who, passed in ((make.policy.id, (1, 0)), (policy.id, (1, 1))):
        scores = [
            Score(task=task.id, backends=task.backends, tier=task.tier, sample=0, passed=bool(won))
            for task, won in zip(held, passed, strict=True)
        ]
        store.suites.save_scores(who, suite.id, "mark", scores)
