"""A home with a few dozen plays, some of them hostile, shown by a real server."""

import socket
from collections.abc import Iterator

import pytest

from checkers.dataflow import Dataflow
from loop.control.commands import carry_out
from loop.runtime.paths import Paths
from loop.store import Store
from loop.types import (
    Arm,
    Call,
    End,
    GateResult,
    GateVerdict,
    Message,
    Part,
    PlannedCall,
    Play,
    Policy,
    Promotion,
    RoundState,
    Split,
    Standing,
    Task,
    Trajectory,
    Turn,
    Usage,
)
from loop.ui import app
from loop.ui.site import Site

KEY = "sk-loopd-0123456789abcdef"
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>\u202e"
STOCK = Policy(base="base", system="You call tools.", template="chatml")


def task(seed: int) -> Task:
    backend = ("Files", "Trade")[seed % 2]
    turn = Turn(user=f"find number {seed}", plan=(PlannedCall(name="find", arguments={"name": f"n{seed}"}),))
    return Task(
        generator="toy", family=("looking", "moving")[seed % 3 == 0], tier=("easy", "hard")[seed % 2], seed=seed,
        backends=(backend,), initial={}, tools=("find",), turns=(turn, turn), split=Split.TRAIN, leak_group=f"l{seed}",
    )  # fmt: skip


def trajectory(play: Play, *, right: bool) -> Trajectory:
    name = f"number {play.task.seed}" if right else HOSTILE
    turn = (
        Message(role="user", content=play.task.turns[0].user),
        Message(role="assistant", content="", calls=(Call(name="find", arguments={"name": name}),), tokens=(1, 2, 3)),
        Message(role="tool", content=HOSTILE, name="find", ok=right),
        Message(role="assistant", content="Found." if right else HOSTILE, tokens=(4,)),
    )
    messages = (Message(role="system", content="You call tools."), *turn, *turn)
    usage = Usage(prompt_tokens=100, cached_tokens=80, completion_tokens=8, requests=4)
    who = {"player": play.player_name, "policy": play.policy, "sample": play.sample}
    return Trajectory(task=play.task.id, messages=messages, end=End.CLOSED, usage=usage, seconds=1.5, **who)


def fill(store: Store, count: int = 60) -> None:
    store.policies.add(STOCK, Standing.CHAMPION)
    store.verdicts.require((("dataflow", Dataflow.version),))
    rnd = store.rounds.open("config", 0)
    tasks = [task(seed) for seed in range(count // 2)]
    plays = [
        Play(
            id=f"{sample}{each.seed:02}" + "ab" * 30, round=rnd.id, task=each, sample=sample, system="You call tools.",
            player=Part(use="student"), player_name=("student", "scripted")[sample],
            policy=(STOCK.id, None)[sample],
        )
        for each in tasks
        for sample in range(2)
    ]  # fmt: skip
    store.plays.owe(rnd, tasks, plays)
    for n, play in enumerate(plays):
        played = trajectory(play, right=n % 4 != 0)
        store.plays.finish(play, played)
        store.verdicts.record(play.id, [Dataflow().check(play.task, played)])
    store.arms.save(Arm(key=each.arm, alpha=3, beta=1, plays=4, wins=3) for each in tasks)
    decide(store, rnd)


def decide(store, rnd):
    policy = Policy(**STOCK.model_dump() | {"adapter": "a"}, parent=STOCK.id)
    store.policies.add(policy, Standing.CANDIDATE, rnd)
    rates = {"champion_rate": 0.5, "candidate_rate": 0.6, "difference": 0.1, "low": -0.1, "high": 0.3}
    told = {"margin": 0.03, "tasks": 10, "samples": 2, "reason": HOSTILE, "verdict": GateVerdict.INCONCLUSIVE}
    store.gates.save(rnd, GateResult(gate="depth", **rates, **told))
    store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=False, reason=HOSTILE))
    for state in list(RoundState)[1:7]:
        rnd = store.rounds.advance(rnd, state)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[tuple[str, Store]]:
    """The address of a home's pages, and its store."""
    root = tmp_path_factory.mktemp("home")
    places = Paths(data=root / "data", logs=root / "logs", config=root / "config").create()
    with Store.open(places.database) as store:
        fill(store)
        site = Site(places, places.database, lambda verb, arguments: carry_out(store, verb, arguments), lambda: store)
        listener = socket.create_server(("127.0.0.1", 0))
        with app.opened(site, KEY, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", store
