"""The twelve hand-written tasks on files, from `canonical.toml`: fixed subjects, worlds and words.

The research's hard gate held twelve canonical tasks, of which only the shape is public: 5 to 7 calls, deep nesting, 4
turns. These are ours, of that shape; what was scored on the research's own cannot be compared with them.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue

from loop.errors import ConfigError
from loop.plan import PlanError, run
from loop.types import Id, PlannedCall, Record, Result, Split, Task, Tier, Turn
from task_generators.backends.catalogues import tools_of
from task_generators.backends.worlds import open_world
from task_generators.families.files.story import BACKEND, state_of
from task_generators.suites.listed import listed

FILE: Final = "canonical.toml"

NAME: Final = "canonical"
"""What stands for generator and family in the tasks, and before their names in sources and leak groups."""


def _tree(value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Hold a folder to texts and folders."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            _tree(inner)
        elif not isinstance(inner, str):
            raise ValueError(f"'{name}' is neither a text nor a folder")  # noqa: TRY004 - what pydantic reports
    return value


class Written(Record):
    """One task as a person wrote it down."""

    name: Id
    tree: Annotated[Mapping[str, JsonValue], AfterValidator(_tree)]
    """The folder in which the play starts: a name's value is a file's text, or another folder."""
    turns: tuple[Turn, ...] = Field(min_length=1)


def canonical_tasks() -> tuple[Task, ...]:
    """Give the hand-written tasks, all held out, in the order of the file. Each plan has been run.

    Raises:
        ConfigError: the file cannot be read, or a task's plan fails, or calls a tool that there is not; names the file
            and the task.
    """
    tasks = tuple(_task(written, seed) for seed, written in enumerate(listed(FILE, Written)))
    for task in tasks:
        _prove(task)
    return tasks


def _task(written: Written, seed: int) -> Task:
    place = f"{NAME}-{written.name}"
    return Task(
        generator=NAME,
        family=NAME,
        tier=Tier.HARD,
        seed=seed,
        backends=(BACKEND,),
        initial={BACKEND: {"root": {written.name: state_of(dict(written.tree))}}},
        tools=tools_of(BACKEND),
        turns=written.turns,
        split=Split.HELDOUT,
        leak_group=place,
        source=place,
    )


def _prove(task: Task) -> None:
    """Run a task's plan: every call of it must succeed."""
    place = f"{FILE}, task '{task.source.removeprefix(f'{NAME}-')}'"
    try:
        played = run(task, open_world(task.backends, task.initial))
    except PlanError as error:
        raise ConfigError(f"{place}: {error}") from error
    results = [result for _, answers in played for result in answers]
    if failed := _failed(task.plan, results):
        raise ConfigError(f"{place}: {failed}")


def _failed(plan: Sequence[PlannedCall], results: Sequence[Result]) -> str | None:
    """Name the first call that the world refuses, and what it says."""
    steps = enumerate(zip(plan, results, strict=True))
    return next((f"step {step}, {call.name}: {answer.value}" for step, (call, answer) in steps if not answer.ok), None)
