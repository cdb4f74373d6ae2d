"""The store: accepted trajectories a second, and how long the views take as it fills.

    python benchmarks/store.py [--quick] [--million] [--processor] [--url URL] [--json FILE]

Storing one accepted trajectory is two commits: the play's end, and its verdicts. Beside it, in the same run, a bare
driver writes the same bytes in as many commits: what the disk allows. What was stored is read back and compared first.
Then the store is filled, round by round, and every view, the daemon's own questions and searches for words are timed
at 10^4 and 10^5 trajectories (10^3 and 10^4 with --quick; 10^6 too with --million), and storing is timed again there.

With --processor, processor time is counted instead of the clock's: what SQLite takes where nothing else runs.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import text

from loop.runtime import query
from loop.store import Store, word_index
from loop.store.rows import play_row, verdict_row
from loop.store.tables import LeakGroup as LeakGroupRow
from loop.store.tables import Message as MessageRow
from loop.store.tables import Play as PlayRow
from loop.store.tables import Task as TaskRow
from loop.store.tables import TaskBackend, ToolCall, TrajectoryWords
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.tables import Verdict as VerdictRow
from loop.store.verdicts import TOGETHER
from loop.types import (
    Arm,
    Call,
    Catalogue,
    Dataset,
    End,
    Message,
    Part,
    Play,
    Policy,
    Promotion,
    Round,
    RoundState,
    Score,
    Split,
    Standing,
    Suite,
    Task,
    Tool,
    Trajectory,
    Turn,
    Usage,
    Verdict,
)
from loop.ui.listing import PlayFilter, find

REQUIRED = (("outcome", 1), ("dataflow", 1), ("stop", 1))
STOCK = Policy(base="base", system="You call tools. " * 40, template="chatml")
BACKENDS = ("Files", "Trade", "Travel", "Vehicle", "Message", "Ticket")
CLOCK: list[Callable[[], float]] = [time.perf_counter]
"""What time is told by."""
PER_ROUND = 1000
WRITTEN = 10_000
"""Trajectories that are written as the daemon does; those after them are copies, made in SQL, under other ids."""
NAMED = {
    LeakGroupRow: ("name",),
    TaskRow: ("id", "leak_group"),
    TaskBackend: ("task",),
    PlayRow: ("id", "key", "task"),
    TrajectoryRow: ("id", "task"),
    MessageRow: ("trajectory",),
    ToolCall: ("trajectory",),
    VerdictRow: ("trajectory",),
    TrajectoryWords: ("trajectory",),
}
"""What is copied with a round, and the columns that name things in it."""
CATALOGUE = Catalogue(
    tools=tuple(
        Tool(
            name=f"tool_{n}",
            description="Does one thing to one thing and says so. " * 4,
            parameters={"type": "object", "properties": {name: {"type": "string"} for name in "abcd"}},
        )
        for n in range(20)
    )
)
DOCS = Path(__file__).parent.parent / "docs" / "sql.md"
VIEWS = {
    name: query.replace("ID", "000003-000001")
    for name, query in re.findall(r"^## (v_\w+)$.*?^    (select .*?)$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
}
"""Every documented view's own query."""
WORDS = {
    "in every play": "look at the files",
    "in one round of a hundred": "files of case000003",
    "in no order that anybody said": "files the at look",
    "in no play": "nobody said this",
}
OVER_ALL = {
    "every round": "select * from v_rounds",
    "every call, by tool": "select tool, count(*), avg(ok) from v_tool_calls group by tool",
    "every verdict, by checker": "select checker, version, avg(passed) from v_verdicts group by checker, version",
    "status": "select round, state, reason from v_rounds order by round desc limit 1",
}
"""What reads every row, and what `loopd status` asks."""


def task(seed: int, split: Split = Split.TRAIN) -> Task:
    """A task of the usual size."""
    return Task(
        generator="toy",
        family=f"family{seed % 6}",
        tier="easy",
        seed=seed,
        backends=(BACKENDS[seed % 6],),
        initial={"files": {f"file{n}": "some text " * 5 for n in range(20)}, "seed": seed},
        tools=tuple(tool.name for tool in CATALOGUE.tools),
        turns=(Turn(user="do this, then that"), Turn(user="and now the other")),
        split=split,
        leak_group=f"{split}-{seed:010}",
    )


def plays(rnd: Round, count: int, samples: int = 4) -> list[Play]:
    """Owed plays of the student."""
    part = Part(use="student", settings={"temperature": 0.8})
    who = {"player": part, "player_name": "student", "policy": STOCK.id, "system": STOCK.system}
    tasks = [task(rnd.id * 10_000 + n) for n in range(-(-count // samples))]
    made = (
        Play(id=f"{rnd.id:06}-{n:06}", round=rnd.id, task=tasks[n // samples], sample=n % samples, **who)
        for n in range(count)
    )
    return list(made)


def trajectory(play: Play) -> Trajectory:
    """A play of two turns, five calls, fourteen messages."""
    turns = [message for turn in range(2) for message in said(turn, f"case{play.id.replace('-', 'x')}")]
    return Trajectory(
        task=play.task.id,
        player="student",
        policy=play.policy,
        sample=play.sample,
        catalogue=CATALOGUE,
        messages=(Message(role="system", content=STOCK.system), *turns),
        end=End.CLOSED,
        usage=Usage(prompt_tokens=4000, cached_tokens=3500, completion_tokens=300, requests=7),
        seconds=3.0,
    )


def said(turn: int, case: str) -> Iterator[Message]:
    """One turn's messages; they name a case that no other play names."""
    yield Message(role="user", content=f"Please look at the files of {case}. " + "Tell me what is new there. " * 4)
    for n in range(2 + turn):
        call = Call(name=f"tool_{n}", arguments={"a": f"value {turn}", "b": n})
        yield Message(role="assistant", content="", calls=(call,), tokens=tuple(range(1000, 1040)))
        yield Message(role="tool", name=call.name, content=json.dumps({"found": ["one", "two"] * 8}), ok=True)
    yield Message(role="assistant", content="That is done; here is what I found.", tokens=tuple(range(2000, 2020)))


def verdicts() -> list[Verdict]:
    """Three checkers' verdicts."""
    evidence = {"arguments": [{"call": n, "from": "result"} for n in range(5)]}
    return [
        Verdict(checker=name, version=version, passed=True, score=1, reason="as it should be", evidence=evidence)
        for name, version in REQUIRED
    ]


# --- accepted trajectories a second ----------------------------------------------------------------------------------


def throughput(url: str, count: int, repeats: int) -> dict[str, float]:
    """Store accepted trajectories, in turn with a bare driver that writes the same bytes; medians."""
    ours, bare = [], []
    with Store.open(url) as store:
        store.policies.add(STOCK, Standing.CHAMPION)
        store.verdicts.require(REQUIRED)
        compare(store)
        for _ in range(repeats):
            played = [(play, trajectory(play)) for play in owed(store, count)]
            ours.append(count / timed(partial(accept, store, played)))
            bare.append(count / timed(lambda: write_bare(store, count)))
    return {"accepted_per_second": statistics.median(ours), "bare_driver_per_second": statistics.median(bare)}


def compare(store: Store) -> None:
    """What was stored reads back equal."""
    play = owed(store, 1)[0]
    accept(store, [(play, trajectory(play))])
    found = store.trajectories.get(play.id)
    assert (found.task, found.trajectory, found.verdicts) == (
        play.task,
        trajectory(play),
        tuple(sorted(verdicts(), key=lambda verdict: verdict.checker)),
    )


def owed(store: Store, count: int) -> list[Play]:
    """Open a round that owes so many plays."""
    rnd = store.rounds.open("config", 0)
    if store.plays.planned(rnd):
        store.rounds.advance(rnd, RoundState.FAILED)
        rnd = store.rounds.open("config", 0)
    made = plays(rnd, count)
    store.plays.owe(rnd, [], made)
    return made


def accept(store: Store, played: list[tuple[Play, Trajectory]]) -> None:
    """Finish plays, each as it arrives, and record verdicts, many at a time: as the daemon does."""
    judged = verdicts()
    for play, each in played:
        store.plays.finish(play, each)
    for start in range(0, len(played), TOGETHER):
        store.verdicts.record_all({play.id: judged for play, _ in played[start : start + TOGETHER]})


def write_bare(store: Store, count: int) -> None:
    """Write as many bytes in as many commits, in two plain tables."""
    rnd = store.rounds.open("config", 0)
    play = plays(rnd, 1)[0]
    whole = json.dumps([message.model_dump(mode="json") for message in trajectory(play).messages])
    judged = json.dumps([verdict.model_dump(mode="json") for verdict in verdicts()])
    with store.database.write() as connection:
        connection.execute(text("create table if not exists bare (id integer, kind text, body text)"))
    for n in range(count):
        for kind, body in (("trajectory", whole), ("verdicts", judged)):
            with store.database.write() as connection:
                connection.execute(
                    text("insert into bare values (:n, :kind, :body)"), {"n": n, "kind": kind, "body": body}
                )


# --- the views as the store fills ------------------------------------------------------------------------------------


def latencies(url: str, sizes: list[int], repeats: int) -> dict[int, dict[str, float]]:
    """Milliseconds of every question at every size."""
    found = {}
    with Store.open(url) as store, query.read_only(url) as ask:
        store.policies.add(STOCK, Standing.CHAMPION)
        measure_something(store)
        filled, first = 0, store.rounds.open("config", 0).id
        for size in sizes:
            while filled < size:
                fill(store) if filled < WRITTEN else copy(store, filled // PER_ROUND % (WRITTEN // PER_ROUND) + first)
                filled += PER_ROUND
            store.arms.save(Arm(key=task(n).arm.model_copy(update={"family": f"f{n}"}), plays=n) for n in range(1000))
            found[size] = {
                name: median_ms(lambda q=query: ask(q, seconds=600), repeats)
                for name, query in {**VIEWS, **OVER_ALL}.items()
            }
            found[size] |= {name: median_ms(question, repeats) for name, question in questions(store).items()}
            for name, phrase in WORDS.items():
                found[size][f"words: {name}"] = median_ms(lambda p=phrase: find(ask, PlayFilter(words=p)), repeats)
            found[size] |= stored_there(store)
    return found


def stored_there(store: Store) -> dict[str, float]:
    """Milliseconds that storing an accepted trajectory takes in a store of this size, and a bare driver's beside it."""
    count = 300
    played = [(play, trajectory(play)) for play in owed(store, count)]
    ours = 1000 * timed(partial(accept, store, played)) / count
    bare = 1000 * timed(lambda: write_bare(store, count)) / count
    store.rounds.advance(store.rounds.open("config", 0), RoundState.FAILED)
    return {"store one, accepted": ours, "a bare driver, the same bytes": bare}


def measure_something(store: Store) -> None:
    """A suite of 200 tasks with eight plays of each."""
    suite = Suite(name="suite", tasks=tuple(task(n, Split.HELDOUT) for n in range(200)))
    store.suites.save(suite)
    scores = (
        Score(task=each.id, backends=each.backends, tier=each.tier, sample=sample, passed=sample % 2 == 0)
        for each in suite.tasks
        for sample in range(8)
    )
    store.suites.save_scores(STOCK.id, suite.id, "mark", scores)


def fill(store: Store) -> None:
    """One more finished round, through the same rows as `finish` writes, in one transaction."""
    rnd = store.rounds.open("config", 0)
    made = plays(rnd, PER_ROUND)
    with store.database.write() as connection:
        insert, now = store.database.insert, store.database.clock()
        store.tasks.add(connection, list({play.task.id: play.task for play in made}.values()))
        connection.execute(insert(PlayRow), [play_row(play, n, now) | {"state": "done"} for n, play in enumerate(made)])
        store.trajectories.insert(connection, [store.trajectories.spell(play, trajectory(play)) for play in made])
        judged = [verdict_row(play.id, verdict, now, str) for play in made for verdict in verdicts()]
        connection.execute(insert(VerdictRow), judged)
        connection.execute(TrajectoryRow.__table__.update().where(TrajectoryRow.round == rnd.id).values(passed=1))
    end(store, rnd)


def copy(store: Store, number: int) -> None:
    """One more finished round: a copy of an earlier one with its tasks, under other ids."""
    rnd = store.rounds.open("config", 0)
    tasks = "select task from play where round = :number"
    chosen = {
        LeakGroupRow: f"name in (select leak_group from task where id in ({tasks}))",  # noqa: S608 - nothing in it is from outside
        TaskRow: f"id in ({tasks})",
        TaskBackend: f"task in ({tasks})",
        PlayRow: "round = :number",
        TrajectoryRow: "round = :number",
    }
    with store.database.write() as connection:
        for table, names in NAMED.items():
            columns = [column.name for column in table.__table__.columns if column.name != "number"]
            anew = {name: f"'{rnd.id:06}' || substr({name}, 7)" for name in names} | {"round": str(rnd.id)}
            values = ", ".join(anew.get(name, f'"{name}"') for name in columns)
            where = chosen.get(table, "trajectory in (select id from trajectory where round = :number)")
            into = ", ".join(f'"{name}"' for name in columns)
            name = table.__tablename__
            statement = f"insert into {name} ({into}) select {values} from {name} where {where}"  # noqa: S608 - as above
            connection.execute(text(statement), {"number": number})
        if connection.dialect.name == "sqlite":
            made = text("select trajectory from trajectory_words where trajectory like :begins")
            ids = list(connection.execute(made, {"begins": f"{rnd.id:06}-%"}).scalars())
            connection.execute(word_index.ADD, {"ids": ids})
    end(store, rnd)


def end(store: Store, rnd: Round) -> None:
    """Give the round a dataset and a rejected candidate, and end it."""
    rows = tuple(f"{rnd.id:06}-{n:06}" for n in range(200))
    store.datasets.save(rnd, Dataset(id=f"dataset-{rnd.id}", rows=rows, counts={}, rules={}))
    policy = Policy(**STOCK.model_dump() | {"adapter": f"adapter-{rnd.id}"}, parent=STOCK.id)
    store.policies.add(policy, Standing.CANDIDATE, rnd)
    store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=False, reason="no better"))
    for state in list(RoundState)[1:7]:
        rnd = store.rounds.advance(rnd, state)


def questions(store: Store) -> dict[str, Callable[[], object]]:
    """What the daemon asks."""
    last = store.rounds.all()[-1]
    return {
        "accepted, first 200": lambda: list(store.trajectories.accepted(REQUIRED, limit=200)),
        "tallies of a round": lambda: store.verdicts.tallies(last),
        "rates of a round": lambda: store.verdicts.rates(last),
        "unchecked of a round": lambda: list(store.trajectories.unchecked(last, REQUIRED)),
        "unchecked after a new version, first 200": lambda: list(
            islice(store.trajectories.unchecked(None, [("outcome", 2)]), 200)
        ),
    }


def median_ms(question: Callable[[], object], repeats: int) -> float:
    """Median of some runs, in milliseconds."""
    return 1000 * statistics.median(timed(question) for _ in range(repeats))


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    begin = CLOCK[0]()
    work()
    return CLOCK[0]() - begin


# --- the program -----------------------------------------------------------------------------------------------------


def show(result: dict[str, Any]) -> None:
    """Print the tables."""
    speed = result["throughput"]
    print(f"accepted trajectories a second  {speed['accepted_per_second']:9.0f}")
    print(f"bare driver, the same bytes     {speed['bare_driver_per_second']:9.0f}   ratio {speed['ratio']:.2f}")
    sizes = list(result["milliseconds"])
    print(f"\n{'milliseconds at':42}" + "".join(f"{size:>12,}" for size in sizes))
    for name in result["milliseconds"][sizes[0]]:
        print(f"{name:42}" + "".join(f"{result['milliseconds'][size][name]:12.1f}" for size in sizes))


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--million", action="store_true", help="10^6 trajectories too: ten minutes or more, 10 GB")
    parser.add_argument("--url", help="an empty database; a temporary SQLite file by default")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--processor", action="store_true", help="count processor time: SQLite on a busy machine")
    options = parser.parse_args()
    if options.processor:
        CLOCK[0] = time.process_time
    sizes = [1000, 10_000] if options.quick else [10_000, 100_000, *([1_000_000] if options.million else [])]
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{folder}/views.db"
        speed = throughput(options.url or f"sqlite:///{folder}/speed.db", 200 if options.quick else 1000, 3)
        speed["ratio"] = speed["accepted_per_second"] / speed["bare_driver_per_second"]
        result = {"throughput": speed, "milliseconds": latencies(url, sizes, 3)}
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    sys.exit(main())
