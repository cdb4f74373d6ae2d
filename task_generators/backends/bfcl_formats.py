"""BFCL's format sensitivity: 200 of its single-turn questions under 26 renderings of one system prompt.

The player is offered no tools and answers in text. What counts is how much its score depends on the rendering. The
checker `text_match` reads the answers.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

from loop.errors import ConfigError
from loop.types import Task
from task_generators.backends.bfcl import BadEntry
from task_generators.backends.bfcl_single import single_turn_tasks
from task_generators.backends.formats import FORMAT, FORMATS, PromptFormat, spelt
from task_generators.backends.functions_backend import FUNCTIONS
from task_generators.backends.installed import INSTALL
from task_generators.backends.schemas import original_names
from task_generators.backends.worlds import SHOWN

FILE: Final = "BFCL_v4_format_sensitivity.json"


def format_tasks() -> Iterator[Task]:
    """Give every question under every rendering: first the first question under all of them.

    Raises:
        ConfigError: the data set is not installed.
        BadEntry: the file names an entry that there is not, or cannot be read.
    """
    for task in _questions():
        for rendering in FORMATS:
            yield _rendered(task, rendering)


def _questions() -> Iterator[Task]:
    for category, wanted in _ids().items():
        known = {task.source: task for task in single_turn_tasks(category)}
        if missing := [phrase for phrase in wanted if phrase not in known]:
            raise BadEntry(f"{FILE}: there is no entry {missing[0]}")
        yield from (known[phrase] for phrase in wanted)


def _ids() -> Mapping[str, list[str]]:
    try:
        text = files("bfcl_eval").joinpath("data", FILE).read_text(encoding="utf-8")
    except (ImportError, OSError) as error:
        raise ConfigError(f"{error}. {INSTALL}") from error
    try:
        return {str(category): [str(identity) for identity in ids] for category, ids in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise BadEntry(f"{FILE}: {type(error).__name__}: {error}") from error


def _rendered(task: Task, rendering: PromptFormat) -> Task:
    functions: Any = task.initial[FUNCTIONS]
    [turn] = task.turns
    names = original_names([document["name"] for document in functions["functions"]])
    answer = spelt([(names[call.name], call.arguments) for call in turn.plan], rendering)
    changed = {"plan": (), "closing": answer, "session": SHOWN}
    return task.model_copy(
        update={
            "family": rendering.family,
            "initial": {FUNCTIONS: {**functions, FORMAT: rendering.model_dump()}},
            "tools": (),
            "turns": (turn.model_copy(update=changed),),
            "source": f"{task.source} {rendering.family}",
        }
    )
