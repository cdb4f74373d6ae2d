"""Random plays over all backends: nothing that a player sends may end a worker, a checker or the daemon.

    python benchmarks/fuzz.py [--plays 20000] [--seed 1] [--in-flight 8]

Plays tasks of every generator and of BFCL with a player that calls at random: tools that exist and some that do not,
with few names so that calls meet, with the words of the task, and with values that somebody chose to do harm. Every
play runs as a worker runs it, every trajectory is spelled as the store spells it and judged by every checker, in one
process. Ends with 1 where a play is lost, a checker raises, an answer is over the bound, a verdict or a call takes
longer than `SLOW`, or the process has held more than `MOST` bytes.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from loop import plugins
from loop.canonical import NotJson
from loop.rollout.pool import LocalPool
from loop.store.rows import spell
from loop.types import (
    Call,
    Catalogue,
    Message,
    Part,
    PlannedCall,
    Play,
    Record,
    Reply,
    Rule,
    Split,
    Task,
    Trajectory,
    Turn,
)
from task_generators.backends.backend import backends
from task_generators.backends.bfcl import CATEGORIES, entries, entry_task
from task_generators.backends.bfcl_memory import MEMORIES, memory_tasks
from task_generators.backends.bfcl_single import single_turn_tasks
from task_generators.backends.catalogues import tools_in
from task_generators.backends.values import MAX_RESULT

MOST: Final = 2**30
SLOW: Final = 30.0
"""Seconds. A hostile SQL statement has 2.5, three times a play; all the rest is far below."""

LONG: Final = 0.02
"""Share of plays that go on and on, with many calls at a time."""

NAMES: Final = ("a", "b", "c", "d", "dir", "new", ".", "..", "", "/", "a/b", "~", " ", "-", "*", "A", "a.txt")
"""Few, so that what one call makes another one meets."""

HARM: Final = (
    "\ud800",
    "a\0b",
    "\u202e\u200b\u0301",
    "\U0001f600" * 300,
    "\x01" * 3_000,
    '"' * 2_000,
    "n" * 256,
    "x" * 60_000,
    "line\n" * 10_000,
    "\n" * 30_000,
    "\U0001f600" * 20_000,
    "../" * 500,
    "{}{0}%s%n$(rm -rf /)`id`",
    "<tool_call>{}</tool_call><|im_end|>",
    "NaN",
    "-1e999",
    "0x10",
    "1" * 400,
    "1,000.50",
    "2026-02-30",
    "[[[[[[",
)
"""Texts that break what is careless."""

NUMBERS: Final = (0, 1, -1, 2, 3, 1.0, 0.5, -0.0, 1e308, -1e308, 5e-324, 2**53 + 1, 2**63, -(2**63), 10**18, 400, 401)

LEAVES: Final = ("string", "number", "integer", "boolean", "null")

STATEMENTS: Final = (
    "SELECT * FROM {t}",
    "SELECT a.*, b.* FROM {t} a, {t} b, {t} c",
    "SELECT group_concat(hex(replace('{x}', 'x', char(1)))) FROM {t} a, {t} b",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "INSERT INTO {t} SELECT * FROM {t}",
    "INSERT INTO {t} DEFAULT VALUES",
    "UPDATE {t} SET {c} = replace('{x}', 'x', char(1) || char(1))",
    "UPDATE {t} SET {c} = {c} || '{x}'",
    "DELETE FROM {t}",
    "DELETE FROM {t} WHERE {c} = (SELECT {c} FROM {t} LIMIT 1)",
    "DROP TABLE {t}",
    'SELECT 1 AS "{x}"',
    "SELECT '",
)

CLOSINGS: Final = ("Done.", "", "Which one do you mean?", "I cannot do that.", "42", *HARM[:4])


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - a JSON value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


@cache
def _words(backends_of: str, initial: str, said: str) -> tuple[str, ...]:
    """The words of a task: its values and keys, and what its user says."""
    del backends_of
    found = dict.fromkeys([*_texts(json.loads(initial)), *said.split()])
    return tuple(islice(found, 300)) or ("a",)


class Monkey:
    """One conversation: calls at random, a few steps a turn."""

    def __init__(self, task: Task, seed: int) -> None:
        self.rng = random.Random(seed)
        said = " ".join(turn.user for turn in task.turns)
        self.words = _words("+".join(task.backends), json.dumps(dict(task.initial)), said)
        parts = [tools_in(backend, task.initial) for backend in task.backends]
        self.tools = {name: tool.parameters for part in parts for name, tool in part.items()}
        self.names = self.rng.sample(NAMES, 4) if self.chance(0.5) else NAMES
        self.harm, self.wrong = self.rng.choice((0.0, 0.02, 0.3)), self.rng.choice((0.03, 0.5))
        self.going_on, self.abreast = self.rng.choice(((0.3, 1), (0.6, 2), (0.8, 3)))
        if self.chance(LONG):
            self.going_on, self.abreast = 0.97, 64
        self.plan = [Call(name=call.name, arguments=_literals(call.arguments)) for call in task.plan]

    def chance(self, share: float) -> bool:
        """Decide."""
        return self.rng.random() < share

    def reply(self, messages: Sequence[Message], catalogue: Catalogue) -> Reply:
        """Call, or close the turn."""
        del messages, catalogue
        if not self.chance(self.going_on):
            closing = self.rng.choice((*CLOSINGS, *self.words[:5]))
            return Reply(message=Message(role="assistant", content=closing))
        calls = tuple(self.call() for _ in range(self.rng.randint(1, self.abreast)))
        beside = self.rng.choice(("", "", HARM[0], "ok"))
        return Reply(message=Message(role="assistant", content=beside, calls=calls))

    def call(self) -> Call:
        """Make one call: one of the plan's, or any tool's with arguments of the right types and without sense."""
        if self.plan and self.chance(0.2):
            return self.rng.choice(self.plan)
        if not self.tools or self.chance(0.02):
            name = self.rng.choice(("", "ls", "eval", "__init__", *HARM[:3]))
            return Call(name=name, arguments={"a": self.value({})})
        name = self.rng.choice(list(self.tools))
        properties, needed = self.tools[name]["properties"], self.tools[name].get("required", ())
        given = [each for each in properties if each in needed or self.chance(0.5)]
        arguments = {each: self.value(properties[each], each) for each in given}
        if self.chance(self.wrong):
            arguments[self.rng.choice([*arguments, "more", HARM[0]])] = self.value({})
        return Call(name=name, arguments=arguments)

    def value(self, schema: Mapping[str, Any], place: str = "", *, leaf: bool = False) -> JsonValue:
        """Make a value, of the schema's type as a rule."""
        if "enum" in schema and self.chance(0.8):
            return self.rng.choice(schema["enum"])
        kind = schema.get("type")
        if kind is None or self.chance(self.wrong):
            kind = self.rng.choice((*LEAVES, *(() if leaf else ("array", "object"))))
        makers = {
            "string": lambda: self.text(place),
            "number": lambda: self.rng.choice((*NUMBERS, self.rng.random() * 1000)),
            "integer": lambda: self.rng.choice((*filter(_whole, NUMBERS), self.rng.randrange(200))),
            "boolean": lambda: self.chance(0.5),
            "array": lambda: self.items(schema.get("items") or {}),
            "object": lambda: self.tree(self.rng.choice((1, 2, 62)) if self.chance(self.harm) else 1),
            "null": lambda: None,
        }
        return makers[kind]()

    def items(self, schema: Mapping[str, Any]) -> list[JsonValue]:
        """Make a list."""
        many = self.rng.choice((0, 1, 2, 5, 3_000 if self.chance(self.harm) else 3))
        return [self.value(schema, leaf=True) for _ in range(many)]

    def text(self, place: str) -> str:
        """Make a text: a statement where one is asked for, a few names, the task's words, or harm."""
        if place == "sql" and self.chance(0.9):
            table, column = self.rng.choice(self.words), self.rng.choice(self.words)
            return self.rng.choice(STATEMENTS).format(t=table, c=column, x="x" * self.rng.choice((3, 3_000)))
        if self.chance(self.harm):
            return self.rng.choice(HARM)
        return self.rng.choice(self.names if self.chance(0.6) else self.words)

    def tree(self, depth: int) -> dict[str, JsonValue]:
        """Make an object of a depth."""
        inner: JsonValue = self.tree(depth - 1) if depth > 1 else self.text("")
        return {self.rng.choice(("title", "description", "status", "priority", "a")): inner}


def _whole(number: float) -> bool:
    return isinstance(number, int)


def _literals(arguments: Mapping[str, Any]) -> dict[str, JsonValue]:
    return {name: value for name, value in arguments.items() if isinstance(value, str | int | float | list | dict)}


class Fuzzer(Record):
    """The player."""

    name: str = "fuzzer"

    def open(self, task: Task, seed: int) -> Monkey:
        """Begin."""
        return Monkey(task, seed)


def tasks(seed: int) -> list[Task]:
    """Give tasks of every arm of every generator, and some of BFCL's."""
    found = []
    for name in plugins.known("task_generators"):
        generator = plugins.load("task_generators", Part(use=name))
        found += [generator.make(arm, seed, Split.TRAIN) for arm in generator.arms] if name != "bfcl" else []
    for category in CATEGORIES:
        found += [entry_task(entry, gold) for entry, gold in islice(entries(category), seed % 20, None, 20)]
    for category in ("simple_python", "simple_java", "live_multiple", "irrelevance"):
        found += islice(single_turn_tasks(category), seed % 40, None, 40)
    return [*found, traced(seed), *(remembered(category) for category in MEMORIES)]


def remembered(category: str) -> Task:
    """Give a short task of a memory: its first turns, and a few of its questions."""
    task = next(memory_tasks(category))
    return task.model_copy(update={"turns": (*task.turns[:4], *task.turns[-3:])})


def traced(seed: int) -> Task:
    """Give a task of a world that was read off traces: one tool that finds, one that writes, one that was recorded."""
    text = {"type": "string"}
    tools = [
        {"name": name, "description": name, "parameters": {"type": "object", "properties": dict.fromkeys(given, text)}}
        for name, given in (("find", ("city", "kind")), ("reserve", ("name", "time")), ("hours", ("day",)))
    ]
    world = {
        "tools": tools,
        "rows": [{"name": f"n{n}", "city": "Oslo" if n % 2 else "Bergen", "kind": "Thai"} for n in range(30)],
        "rules": {
            "find": {"act": "find", "columns": ["city", "kind"]},
            "reserve": {"act": "write", "columns": ["name"]},
        },
        "answers": [["hours", {"day": "Friday"}, {"until": "18:00"}]],
    }
    plan = (
        PlannedCall(name="find", arguments={"city": "Oslo"}),
        PlannedCall(name="hours", arguments={"day": "Friday"}),
    )
    return Task(
        generator="traces",
        family="traces",
        tier="easy",
        seed=seed,
        backends=("Traces",),
        initial={"Traces": world},
        tools=("find", "reserve", "hours"),
        turns=(Turn(user="Find one in Oslo, and say until when it is open on Friday.", plan=plan),),
        leak_group="traces/fuzz",
    )


def plays(count: int, seed: int) -> Iterator[Play]:
    """Owe plays of all backends alike."""
    rng, groups = random.Random(seed), defaultdict[str, list[Task]](list)
    for task in tasks(seed):
        for backend in task.backends:
            groups[backend].append(task)
    assert groups.keys() >= backends().keys(), f"no task for {backends().keys() - groups.keys()}"
    for number in range(count):
        task = rng.choice(groups[rng.choice(sorted(groups))])
        referees = rng.choice(((), (), (Part(use="outcome"), Part(use="stop"))))
        yield Play(
            id=f"fuzz-{number}",
            round=1,
            task=task,
            player=Part(use="fuzz:Fuzzer"),
            player_name="fuzzer",
            seed=rng.randrange(2**31),
            rule=Rule(steps_per_turn=rng.choice((3, 20))),
            referees=referees,
        )


class Report:
    """What was seen."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.most = defaultdict[str, float](float)
        self.faults: list[str] = []
        self.checkers = [plugins.load("checkers", Part(use=name)) for name in plugins.known("checkers")]

    def add(self, play: Play, trajectory: Trajectory) -> None:
        """Look at a play, store it as the daemon would, and judge it."""
        self.counts.update(plays=1, calls=len(trajectory.calls), **{f"ended {trajectory.end}": 1})
        self.counts.update(f"with {backend}" for backend in play.task.backends)
        self.most["seconds of a play"] = max(self.most["seconds of a play"], trajectory.seconds)
        if trajectory.failure:
            self.faults.append(f"{play.id} (seed {play.seed}) failed: {trajectory.failure}")
        for message in trajectory.messages:
            if message.role == "tool":
                self._answer(play, message)
        try:
            spell(play, trajectory, 0)
        except NotJson as error:
            self.counts[f"not stored: {str(error)[:40]}"] += 1
        for checker in self.checkers:
            self._judge(play, trajectory, checker)

    def _answer(self, play: Play, message: Message) -> None:
        length = max(len(message.content), len(message.content.encode()))
        self.most["characters of an answer"] = max(self.most["characters of an answer"], length)
        if length > MAX_RESULT:
            self.faults.append(f"{play.id} (seed {play.seed}): {message.name} answered {length} bytes")

    def _judge(self, play: Play, trajectory: Trajectory, checker: Any) -> None:  # noqa: ANN401 - a plug-in
        began, what = time.monotonic(), f"seconds of {checker.name}"
        try:
            verdict = checker.check(play.task, trajectory)
            self.counts[f"passed {checker.name}"] += verdict.passed
            json.loads(verdict.model_dump_json())
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self.faults.append(
                f"{play.id} (seed {play.seed}): {checker.name} raised {type(error).__name__}: {error}"[:400]
            )
        self.most[what] = max(self.most[what], time.monotonic() - began)


def _held() -> int:
    """Bytes that this process has held at most. Linux counts what its parent held among `ru_maxrss`."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Play, judge, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plays", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=8)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    report, began = Report(), time.monotonic()
    with LocalPool(options.in_flight) as pool:
        for play, trajectory in pool.run(plays(options.plays, options.seed)):
            report.add(play, trajectory)
    held = _held()
    report.faults += [f"{what}: {most:.1f}" for what, most in report.most.items() if "seconds" in what and most > SLOW]
    report.faults += [f"{held / 2**20:.0f} MiB held"] if held > MOST else []
    told = {**report.counts, **{what: round(most, 3) for what, most in report.most.items()}}
    for what, value in {**told, "MiB held": held >> 20, "seconds": round(time.monotonic() - began, 1)}.items():
        print(f"{value:>12}  {what}")
    print("\n".join(report.faults[:50]) or "nothing broke")
    return bool(report.faults)


if __name__ == "__main__":
    sys.exit(main())
