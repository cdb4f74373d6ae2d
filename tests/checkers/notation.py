"""Tasks and plays in a few lines of text, so that one more is quickly written.

A task's turns:

    > What is the price of AAPL?               what the user says; + TOOL on lines below: tools that come with the turn
    get_stock_info(symbol='AAPL')              the plan; '<0.price>' is the value at a path of step 0's result, and
    ? '<0.price>'                              '<0.price|times|2>' one derived by a rule of `loop.plan.RULES`
    = It costs 227.16.                         the closing message

`? A, B` is what an answer tells (Python literals). `!` wants a report, `?? WORD, WORD` a question for one of the words,
`--` that no tool fits. A turn with none of these wants nothing in particular.

A play says the calls of one message on each line (`a() & b()` are two in one message) and closes each turn with `=`.
Without a text, the turn's own closing is said.
"""

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from loop.calls import read_call
from loop.plan import derive, run
from loop.rollout.play import text_of
from loop.types import Call, End, From, Intent, Message, PlannedCall, Result, Task, Tier, Trajectory, Turn
from task_generators.backends.catalogues import catalogue, tools_of
from task_generators.backends.worlds import open_world


class Case(NamedTuple):
    """A play of a task, and whether it is right."""

    name: str
    task: Task
    trajectory: Trajectory
    right: bool
    by: str
    """The checker that is to refuse a wrong one; empty where any may."""


@cache
def cases(directory: Path) -> list[Case]:
    """Read every case of the files in a directory."""
    return [case for path in sorted(directory.glob("*.toml")) for case in _file(path)]


def _file(path: Path) -> list[Case]:
    table = tomllib.loads(path.read_text())
    found = []
    for told in table["tasks"]:
        task = read_task(
            told["name"], told["turns"], told.get("world") or table["worlds"][told["in"]], told.get("tools")
        )
        plays = [(text, True, "", _closed(task, text)) for text in told.get("right", ())]
        plays += [(text, False, "answer", _closed(task, text)) for text in told.get("wrong", ())]
        for play in told.get("plays", ()):
            label = play.get("right") or play["wrong"]
            plays.append((label, "right" in play, play.get("by", ""), act(task, play["say"])))
        found += [
            Case(f"{path.stem}/{told['name']}: {label[:70]}", task, trajectory, right, by)
            for label, right, by, trajectory in plays
        ]
    return found


def read_task(name: str, text: str, world: dict[str, Any], tools: list[str] | None = None) -> Task:
    """Read a task's turns."""
    turns: list[dict[str, Any]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        mark, _, rest = line.partition(" ")
        if mark == ">":
            turns.append({"user": rest, "plan": [], "adds": []})
        elif mark == "+":
            turns[-1]["adds"].append(rest)
        elif mark == "=":
            turns[-1]["closing"] = rest
        elif mark in MARKS:
            turns[-1] |= {"intent": MARKS[mark], "answer": [_argument(each) for each in _values(rest)]}
        else:
            turns[-1]["plan"].append(_planned(read_call(line)))
    added = {tool for turn in turns for tool in turn["adds"]}
    offered = tools or [tool for backend in world for tool in tools_of(backend) if tool not in added]
    return Task(
        generator="hand",
        family="hand",
        tier=Tier.MODERATE,
        seed=0,
        backends=tuple(world),
        initial=world,
        tools=tuple(offered),
        turns=tuple(Turn(**turn) for turn in turns),
        leak_group=name,
    )


MARKS = {"?": Intent.ANSWER, "!": Intent.REPORT, "??": Intent.CLARIFY, "--": Intent.DECLINE}


def _values(text: str) -> list[Any]:
    return list(ast.literal_eval(f"[{text}]"))


def _planned(call: Call) -> PlannedCall:
    return PlannedCall(name=call.name, arguments={name: _argument(value) for name, value in call.arguments.items()})


def _argument(value: Any) -> Any:
    """Read '<step.path.into.it|rule|operand>' as a reference."""
    if not isinstance(value, str) or not (value.startswith("<") and value.endswith(">")):
        return value
    place, *rule = value[1:-1].split("|")
    step, *path = place.split(".")
    steps = tuple(int(each) if each.isdecimal() else each for each in path)
    operand = _literal(rule[1]) if len(rule) > 1 else None
    return From(step=int(step), path=steps, rule=rule[0] if rule else "same", operand=operand)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def act(task: Task, text: str, last: str | None = None) -> Trajectory:
    """Act a play out in a fresh world. What a '<…>' refers to is the play's own earlier result, counted from 0.

    `last` is said at the end, whatever the text says there.
    """
    world, messages, results = open_world(task.backends, task.initial), [], []
    turns = iter(task.turns)
    turn = _begin(next(turns), messages)
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("="):
            messages.append(Message(role="assistant", content=line[1:].strip() or turn.closing))
            if (turn := next(turns, None)) is not None:
                _begin(turn, messages)
            continue
        calls = [_resolved(read_call(each), results) for each in line.split(" & ")]
        messages.append(Message(role="assistant", content="", calls=tuple(calls)))
        for call in calls:
            results.append(world.call(call))
            messages.append(Message(role="tool", name=call.name, content=text_of(results[-1]), ok=results[-1].ok))
    if last is not None:
        messages[-1] = Message(role="assistant", content=last)
    tools = catalogue(task.tools, task.backends, task.initial)
    return Trajectory(task=task.id, player="hand", catalogue=tools, messages=tuple(messages), end=End.CLOSED)


def _begin(turn: Turn, messages: list[Message]) -> Turn:
    messages.append(Message(role="user", content=turn.user, adds=turn.adds))
    return turn


def _resolved(call: Call, results: list[Result]) -> Call:
    filled = {name: _argument(value) for name, value in call.arguments.items()}
    return Call(
        name=call.name,
        arguments={name: derive(each, results) if isinstance(each, From) else each for name, each in filled.items()},
    )


def _closed(task: Task, text: str) -> Trajectory:
    """Play the plan, and close its last turn with a text."""
    lines = []
    for calls, _ in run(task, open_world(task.backends, task.initial)):
        lines += [
            f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})" for call in calls
        ]
        lines.append("=")
    return act(task, "\n".join(lines), last=text)


def _spelt(call: Call) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
