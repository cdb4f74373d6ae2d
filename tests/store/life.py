"""Live two rounds again and again, killed at every commit, and compare what is left in the database.

Run by `test_kill.py` as a program of its own: it forks one child a life, so nothing but the kill ends one.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, text

from loop.store import Database, Store, db
from loop.store.tables import Table
from loop.types import (
    Dataset,
    End,
    Failure,
    GateResult,
    GateVerdict,
    Message,
    Part,
    Play,
    Policy,
    Promotion,
    Purpose,
    Round,
    RoundState,
    Standing,
    Task,
    Trajectory,
    Turn,
    Verdict,
)

STOCK = Policy(base="base", system="Call tools.", template="chatml")
REQUIRED = (("outcome", 1),)
PLAYS = 2
"""Of a round."""
ENDED = (RoundState.DONE, RoundState.FAILED)
PASSING = {"promotion": ("id",), "event": ("id",), "trajectory_words": ("number",), "play": ("attempts",)}
"""What a kill may change."""
OWN = ("stage_time",)
"""Tables of what each life did: a stage that was killed is entered once more."""
TIMES = 10**15
"""Every integer beyond this is a time."""


class Killed(Database):
    """A database whose process ends at one of its commits."""

    at = -1
    before = False
    commits = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            yield connection
            if self.before and self.commits == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.commits == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.commits += 1


def live(store: Store, rounds: int = 2) -> None:
    """So many rounds, each stage asking the store what is still owed."""
    if store.policies.champion() is None:
        store.policies.add(STOCK, Standing.CHAMPION)
    ended = sum(rnd.state in ENDED for rnd in store.rounds.all())
    while ended < rounds:
        rnd = store.rounds.enter(store.rounds.open("config", 5))
        ended += store.rounds.advance(rnd, STAGES[rnd.state](store, rnd)).state in ENDED


def sample(store: Store, rnd: Round) -> RoundState:
    tasks = [
        Task(
            generator="toy",
            family="toy",
            tier="easy",
            seed=rnd.id * 10 + n,
            backends=("Toy",),
            initial={},
            tools=(),
            turns=(Turn(user="do"),),
            leak_group=f"{rnd.id}-{n}",
        )
        for n in range(PLAYS)
    ]
    who = {"player": Part(use="student"), "player_name": "student", "policy": store.policies.champion().id}
    if not store.plays.planned(rnd):
        store.plays.owe(
            rnd, tasks, [Play(id=f"{rnd.id}-{n}", round=rnd.id, task=each, **who) for n, each in enumerate(tasks)]
        )
    return RoundState.COLLECT


def collect(store: Store, rnd: Round) -> RoundState:
    for play in store.plays.owed(rnd, Purpose.TRAIN):
        played = {"task": play.task.id, "player": "student", "policy": play.policy}
        if play.id.endswith("1"):
            failure = Failure(kind="quota", message="wait")
            store.plays.finish(play, Trajectory(**played, end=End.FAILED, failure=failure))
        said = (Message(role="system", content="Call tools."), Message(role="assistant", content="Done."))
        store.plays.finish(play, Trajectory(**played, end=End.CLOSED, messages=said))
    return RoundState.CHECK


def check(store: Store, rnd: Round) -> RoundState:
    for trajectory_id, *_ in store.trajectories.unchecked(rnd, REQUIRED):
        store.verdicts.record(
            trajectory_id, [Verdict(checker="outcome", version=1, passed=True, score=1, reason="right")]
        )
    return RoundState.TRAIN


def train(store: Store, rnd: Round) -> RoundState:
    rows = tuple(each.id for each in store.trajectories.accepted(REQUIRED, since=rnd.id - 1))
    store.datasets.of(rnd) or store.datasets.save(rnd, Dataset(id=f"d{rnd.id}", rows=rows, counts={}, rules={}))
    if store.policies.candidate(rnd) is None:
        parent = store.policies.champion().id
        policy = Policy(**STOCK.model_dump() | {"adapter": f"a{rnd.id}"}, parent=parent)
        store.policies.add(policy, Standing.CANDIDATE, round=rnd)
    return RoundState.GATE


def gate(store: Store, rnd: Round) -> RoundState:
    numbers = dict.fromkeys(("champion_rate", "candidate_rate", "difference", "low", "high", "margin"), 0.5)
    for name in ("depth", "breadth"):
        held = rnd.id == 1 or name == "depth"
        verdict = GateVerdict.HOLDS if held else GateVerdict.FAILS
        store.gates.save(rnd, GateResult(gate=name, verdict=verdict, reason="", tasks=1, samples=1, **numbers))
    return RoundState.PROMOTE


def promote(store: Store, rnd: Round) -> RoundState:
    held = all(result.verdict is GateVerdict.HOLDS for result in store.gates.results(rnd))
    store.promotions.decide(
        rnd, Promotion(candidate=store.policies.candidate(rnd).id, promoted=held, reason="measured")
    )
    return RoundState.DONE


STAGES = {state: globals()[str(state)] for state in RoundState if state not in ENDED}


def reset(url: str, template: str) -> None:
    """Empty the database."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        for suffix in ("-wal", "-shm"):
            if os.path.exists(path + suffix):  # noqa: PTH110 - names beside a name
                os.remove(path + suffix)  # noqa: PTH107
        shutil.copy(template, path)
        return
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        for table in Table.metadata.tables:
            connection.execute(f"delete from {table}" + (" where id > 0" if table == "round" else ""))


def dump(url: str) -> str:
    """Everything in the database but times and serial numbers."""
    with opened(Database, url) as store, store.database.read() as connection:
        return json.dumps({name: rows(connection, name) for name in sorted(Table.metadata.tables) if name not in OWN})


def opened(kind: type[Database], url: str) -> Store:
    """Open a store whose schema is known to be new, without looking."""
    return Store(kind(db.engine(url), db.engine(url, write=False)), max_attempts=100)


def rows(connection: Connection, table: str) -> list[list[object]]:
    found = connection.execute(text(f"select * from {table}")).mappings()
    passing = PASSING.get(table, ())
    kept = [[str(value) for name, value in row.items() if not is_time(value) and name not in passing] for row in found]
    return sorted(kept)


def is_time(value: object) -> bool:
    return isinstance(value, int) and value > TIMES


def run(url: str, at: int, *, before: bool) -> tuple[int, int]:
    """One life in a child; its commits, and the signal that ended it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        store = opened(Killed, url)
        store.database.at, store.database.before = at, before
        live(store)
        store.close()
        os.write(writer, bytes([store.database.commits]))
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        commits = pipe.read(1)
    return (commits[0] if commits else 0), os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def killed_at_random(url: str, template: str, trials: int) -> None:
    """Kill lives at random moments, up to three times each, and let them end; print what differed."""
    chance, ready = random.Random(url), list[float]()
    reset(url, template)
    begun = time.monotonic()
    run(url, -1, before=False)
    whole, expected = time.monotonic() - begun, dump(url)
    report = {"trials": trials, "kills": 0, "different": []}
    for trial in range(trials):
        reset(url, template)
        for _ in range(chance.randint(1, 3)):
            report["kills"] += killed_after(url, chance.uniform(0, whole))
        begun = time.monotonic()
        Store.open(url).close()
        ready.append(time.monotonic() - begun)
        run(url, -1, before=False)
        if dump(url) != expected:
            report["different"].append(trial)
    sys.stdout.write(json.dumps({**report, "ready": sorted(ready)[int(0.95 * len(ready))]}))


def killed_after(url: str, seconds: float) -> bool:
    """Begin a life and kill it after so long; false where it had ended by then."""
    child = os.fork()
    if child == 0:
        live(opened(Database, url))
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(url: str, template: str, stride: str) -> None:
    """Kill every `stride`-th commit, before and after; print what differed."""
    reset(url, template)
    commits, _ = run(url, -1, before=False)
    expected, report = dump(url), {"commits": commits, "trials": 0, "kills": 0, "different": []}
    for at in range(0, commits, int(stride)):
        for before in (True, False):
            report["trials"] += 1
            reset(url, template)
            _, ended = run(url, at, before=before)
            report["kills"] += ended == signal.SIGKILL
            run(url, -1, before=False)
            if dump(url) != expected:
                report["different"].append([at, before])
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    where, whence, often, *how = sys.argv[1:]
    killed_at_random(where, whence, int(often)) if how == ["random"] else main(where, whence, often)
