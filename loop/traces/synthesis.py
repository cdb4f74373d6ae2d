"""Make tasks of a world that was read off traces, in the words in which people asked there.

A frame is what a user said before a call, with the values of the call's arguments taken out. New tasks fill frames
with the values of other rows: so nothing that was said is asked again, every value stands in the task's world, and the
plan runs. Rows are dealt out to training, held-out and sealed tasks by their key, and so are frames: no split knows
another's things or words. Used as a generator: `use = "loop.traces.synthesis:Synthesized"`, `world` names the file
that `loopd trace world` wrote.
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from pydantic import JsonValue, ValidationError

from loop.canonical import NotJson, parse
from loop.errors import ConfigError
from loop.traces.worlds import TraceWorld
from loop.types import ArmKey, Call, From, PlannedCall, Record, Split, Task, Tier, Trajectory, Turn
from task_generators.backends.traces_backend import TRACES, TracedWorld

__all__ = ["Frame", "Synthesized", "Worded", "arms_in", "frames_of", "task_in"]

T = TypeVar("T")
SLOT: Final = re.compile(r"\{(\w+)\}")
ROWS: Final = 12
"""Rows of one task's world that are like the one that is asked for, or not."""
LONGEST: Final = 300
"""Characters of a frame."""
SHARES: Final = ((Split.HELDOUT, 15), (Split.SEALED, 25))
"""Of a hundred keys or frames, those below the first number are held out, those below the second sealed."""


class Frame(Record):
    """What somebody said before a call."""

    tool: str
    text: str
    slots: tuple[str, ...]


class Worded(Record):
    """A world and the words in which it is asked about."""

    world: TraceWorld
    frames: tuple[Frame, ...]


def frames_of(trajectories: Iterable[Trajectory], world: TraceWorld) -> tuple[Frame, ...]:
    """Take the values out of what users said just before calls that were answered.

    A frame is kept where every required argument's value stood in it word for word: in the last message, or in all that
    was said since the call before.
    """
    frames: dict[str, Frame] = {}
    for trajectory in trajectories:
        said: list[str] = []
        for message in trajectory.messages:
            if message.role == "user":
                said.append(message.content)
            for call in message.calls:
                if frame := _asked(call, said, world):
                    frames.setdefault(f"{frame.tool} {frame.text.casefold()}", frame)
            said = [] if message.calls else said
    return tuple(frames[name] for name in sorted(frames))


def _asked(call: Call, said: Sequence[str], world: TraceWorld) -> Frame | None:
    """Give the frame in which a call was asked for; None where a value of it was not said."""
    tool, use = world.catalogue.find(call.name), world.uses.get(call.name)
    if tool is None or use is None or not said:
        return None
    required, columns = tool.parameters.get("required"), set(use.columns)
    wanted = set(map(str, required)) & columns if isinstance(required, list) else columns
    values = {name: str(value) for name, value in call.arguments.items()}
    for text in (said[-1], " ".join(said)):
        frame = _frame(call.name, text, values) if len(text) <= LONGEST else None
        if frame and (use.act == "write" or wanted <= set(frame.slots)):
            return frame
    return None


def _frame(tool: str, said: str, values: Mapping[str, str]) -> Frame | None:
    slots, text = [], said.replace("{", "(").replace("}", ")")
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        pattern = re.compile(rf"(?<![\w{{]){re.escape(value)}(?![\w}}])", re.IGNORECASE)
        if len(value) > 1 and pattern.search(text):
            text = pattern.sub(f"{{{name}}}", text, count=1)
            slots.append(name)
    return Frame(tool=tool, text=text, slots=tuple(slots)) if slots else None


class Synthesized(Record):
    """Makes tasks of one world. A task generator."""

    world: Path

    @property
    def name(self) -> str:
        """The name in tasks."""
        return "synthesized"

    @property
    def arms(self) -> tuple[ArmKey, ...]:
        """Finding, and finding and then writing, where the world has tools for it."""
        return arms_in(_read(self.world))

    def make(self, arm: ArmKey, seed: int, split: Split = Split.TRAIN) -> Task:
        """Make one task.

        Raises:
            ConfigError: the world has no row or no frame for this split.
        """
        return task_in(_read(self.world), arm, seed, split)


def arms_in(worded: Worded) -> tuple[ArmKey, ...]:
    """Name what can be asked in a world: finding, and finding and then writing."""
    families = ["find"] if _tools(worded, "find") else []
    if families and _tools(worded, "write"):
        families.append("find-then-write")
    return tuple(ArmKey(backends=(TRACES,), family=family, tier=Tier.EASY) for family in families)


def task_in(worded: Worded, arm: ArmKey, seed: int, split: Split = Split.TRAIN) -> Task:
    """Make one task in a world.

    Raises:
        ConfigError: the world has no row or no frame for this split.
    """
    rng, key = random.Random(f"{arm}/{seed}/{split}"), worded.world.key
    frame = rng.choice(_of(split, _frames(worded, "find"), lambda each: each.text))
    rows = _of(split, [*worded.world.rows], lambda row: str(row.get(key)))
    row = rng.choice(rows)
    near = [each for each in rows if each != row and any(each.get(slot) == row.get(slot) for slot in frame.slots)]
    others = rng.sample(near, min(len(near), ROWS // 2)) + rng.sample(rows, min(len(rows), ROWS // 2))
    initial = worded.world.initial(_distinct([row, *others], rng))
    columns = worded.world.uses[frame.tool].columns
    find = {slot: row[slot] for slot in frame.slots if slot in columns and slot in row}
    turns = [_finding(frame, find, row, initial, key)]
    if arm.family == "find-then-write":
        turns.append(_writing(worded, rng))
    return Task(
        generator="synthesized",
        family=arm.family,
        tier=arm.tier,
        seed=seed,
        backends=(TRACES,),
        initial={TRACES: initial},
        tools=tuple(tool.name for tool in worded.world.catalogue.tools),
        turns=tuple(turns),
        split=split,
        leak_group=f"synthesized/{_digest(f'{frame.text}/{row.get(key)}')[:24]}",
    )


def _finding(
    frame: Frame, find: Mapping[str, JsonValue], row: Mapping[str, JsonValue], initial: dict[str, JsonValue], key: str
) -> Turn:
    said = SLOT.sub(lambda slot: str(row.get(slot.group(1), find.get(slot.group(1), ""))), frame.text)
    things = TracedWorld(initial).tool(frame.tool)(**find)
    first = things[0] if isinstance(things, list) and things and isinstance(things[0], dict) else {}
    count = len(things) if isinstance(things, list) else 0
    closing = f"{first.get(key)} is one." if count > 1 else f"There is {first.get(key)}."
    return Turn(user=said, plan=(PlannedCall(name=frame.tool, arguments=dict(find)),), closing=closing)


def _writing(worded: Worded, rng: random.Random) -> Turn:
    """Write to the first thing that was found; what names it comes from the result."""
    tool = rng.choice(_tools(worded, "write"))
    use = worded.world.uses[tool]
    values = {name: rng.choice(_values(worded, tool, name)) for name in use.written}
    named = {name: From(step=0, path=(0, name)) for name in use.columns}
    fields = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
    ways = ("Take the first one, please: {0}.", "The first of them, with {0}.", "Good. For the first one: {0}.")
    return Turn(
        user=rng.choice(ways).format(fields),
        plan=(PlannedCall(name=tool, arguments={**named, **values}),),
        closing=f"That is done: {fields}.",
    )


def _values(worded: Worded, tool: str, name: str) -> Sequence[str]:
    """Give values of a parameter: those that it lists, or what looks like its kind."""
    offered = worded.world.catalogue.find(tool)
    properties = offered.parameters.get("properties") if offered else None
    schema = properties.get(name) if isinstance(properties, dict) else None
    listed = schema.get("enum") if isinstance(schema, dict) else None
    if isinstance(listed, list) and listed:
        return [str(each) for each in listed]
    if "date" in name or "day" in name:
        return [f"2026-{month:02}-{day:02}" for month in (3, 4, 9) for day in (2, 11, 14, 23)]
    if "time" in name or "hour" in name:
        return [f"{hour}:{minute:02}" for hour in range(11, 21) for minute in (0, 15, 30, 45)]
    return [str(number) for number in range(1, 7)]


def _tools(worded: Worded, act: str) -> list[str]:
    having = {frame.tool for frame in worded.frames}
    return [
        name for name, use in sorted(worded.world.uses.items()) if use.act == act and (act != "find" or name in having)
    ]


def _frames(worded: Worded, act: str) -> list[Frame]:
    tools = _tools(worded, act)
    return [frame for frame in worded.frames if frame.tool in tools]


def _of(split: Split, things: Sequence[T], name: Callable[[T], str]) -> list[T]:
    """Give the things of a split, by their names."""
    mine = [each for each in things if _split(name(each)) is split]
    if not mine:
        raise ConfigError(f"The world is too small: nothing is left for {split} tasks. Import more traces.")
    return mine


def _split(name: str) -> Split:
    place = int(_digest(name)[:8], 16) % 100
    return next((split for split, below in SHARES if place < below), Split.TRAIN)


def _distinct(rows: Sequence[Mapping[str, JsonValue]], rng: random.Random) -> list[Mapping[str, JsonValue]]:
    distinct: list[Mapping[str, JsonValue]] = []
    for row in rows:
        if row not in distinct:
            distinct.append(row)
    rng.shuffle(distinct)
    return distinct


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _read(path: Path) -> Worded:
    try:
        return Worded.model_validate(parse(path.read_bytes(), 64_000_000))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}. Make it: loopd trace world {path}") from error
    except (NotJson, ValidationError) as error:
        raise ConfigError(f"{path} holds no world: {str(error)[:200]}") from error
