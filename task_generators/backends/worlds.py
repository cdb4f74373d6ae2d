"""Worlds: one play's private instances of its backends, and the one door through which calls reach them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import MAX_DEPTH
from loop.errors import LoopdError, nearest
from loop.types import Call, Result, Tool
from task_generators.backends.arguments import MAX_TEXT, problem, size
from task_generators.backends.backend import BadState
from task_generators.backends.backend import backend as backend_of
from task_generators.backends.functions_backend import FUNCTIONS
from task_generators.backends.values import (
    MAX_MESSAGE,
    MAX_RESULT,
    MAX_STATE,
    Answer,
    Snapshot,
    alike,
    attributes_of,
    copied,
    failure,
    mark_of,
    place_of,
    plain,
    same,
    shown,
    snapshot,
    state_of,
)

LONG_CONTEXT: Final = "long_context"
"""Key of `Task.initial` beside the backends: true where BFCL fills the worlds with much more to read."""

SHOWN: Final = "{world}"
"""Stands in `Turn.session` for what the world shows of itself at that moment."""

MAX_SHOWN: Final = 300
"""Characters of a value in a difference."""

MAX_CALLS: Final = 2_000
"""Calls that one world answers: ten times the longest task under the official rule."""

MAX_HEARD: Final = 4_000_000
"""Characters of all arguments that one world takes: whatever a backend keeps of them, it holds no more.

The first `UNCOUNTED` calls cannot reach it and are not counted.
"""

UNCOUNTED: Final = MAX_HEARD // MAX_TEXT

MAX_TOLD: Final = 4_000_000
"""Characters that one world answers in all: fifty times what the longest of BFCL's plays is told."""


def open_world(backends: Sequence[str], initial: Mapping[str, JsonValue]) -> "BackendWorld":
    """Open a fresh world: every backend's own instance, made from a deep copy of its initial state.

    Raises:
        ConfigError: no such backend, or the package with the simulators is not installed.
        BadState: the initial state is none that these backends can be opened with.
    """
    long_context = bool(initial.get(LONG_CONTEXT, False))
    instances = {name: _opened(name, initial.get(name, {}), long_context) for name in backends}
    return BackendWorld(instances, brought_tools(backends, initial))


def brought_tools(backends: Sequence[str], initial: Mapping[str, JsonValue]) -> dict[str, tuple[str, Tool]]:
    """Give the tools that a task brings along, each with the backend that answers it."""
    return {
        name: (backend, tool)
        for backend in backends
        if backend in initial and hasattr(source := backend_of(backend), "brings")
        for name, tool in source.brings(initial[backend]).items()
    }


def admit(initial: Mapping[str, JsonValue]) -> None:
    """Look at a state that comes from elsewhere, before worlds are opened with it.

    Raises:
        BadState: it holds more than any player could put into a world, or what JSON has no word for.
    """
    if size(dict(initial), MAX_DEPTH) > MAX_STATE:
        raise BadState(f"the initial state is longer than {MAX_STATE} characters, nested too deep, or no JSON")


def _opened(name: str, initial: Any, long_context: bool) -> Any:  # noqa: ANN401, FBT001 - a state, a simulator
    opened = backend_of(name)
    try:
        return opened.open(copied(initial), long_context=long_context)
    except LoopdError:
        raise
    except Exception as error:
        raise BadState(f"initial state of {name}: {type(error).__name__}: {error}"[:MAX_MESSAGE]) from error


@cache
def _dispatch(backends: tuple[str, ...]) -> Mapping[str, tuple[str, Tool]]:
    """Which backend answers which tool: the allow-list. Nothing else can be called."""
    return MappingProxyType(
        {name: (backend, tool) for backend in backends for name, tool in backend_of(backend).tools.items()}
    )


class BackendWorld:  # a `loop.types.World`
    """Private instances of one or more backends. Made by `open_world`."""

    def __init__(
        self, instances: Mapping[str, Any], own: Mapping[str, tuple[str, Tool]] = MappingProxyType({})
    ) -> None:
        self._instances = instances
        self._tools = _dispatch(tuple(instances))
        if own:
            self._tools = {**self._tools, **own}
        self._calls, self._heard, self._told = 0, 0.0, 0

    def call(self, call: Call) -> Result:
        """Run one call: look it up in the allow-list, check its arguments, run the backend's method.

        Nothing that a player sends raises: an unknown tool, a wrong argument and a tool's own error are results with
        `ok` false, and say what is wrong.
        """
        ok, value = self.answer(call)
        return Result(ok=ok, value=value)

    def answer(self, call: Call) -> Answer:
        """Run one call, and give whether it went well and the value as they are: what `call` makes a result of."""
        self._calls += 1
        if self._calls > MAX_CALLS:
            return failure(f"This world answers no more than {MAX_CALLS} calls.")
        offered = self._tools.get(call.name)
        if offered is None:
            return failure(f"There is no tool '{call.name[:100]}'.{nearest(call.name[:100], list(self._tools))}")
        backend, tool = offered
        if wrong := problem(tool.parameters, call.arguments):
            return failure(f"{call.name}: {wrong}")
        if self._calls > UNCOUNTED and self._deaf(call):
            return failure(f"This world takes no more than {MAX_HEARD} characters of arguments.")
        return self._answer(self._method(backend, call.name), call)

    def _deaf(self, call: Call) -> bool:
        """Whether this world has heard all that it may."""
        self._heard += size(call.arguments, MAX_DEPTH)
        return self._heard > MAX_HEARD

    def _answer(self, method: Callable[..., Any], call: Call) -> Answer:
        try:
            answer, length = plain(method(**copied(dict(call.arguments))), min(MAX_RESULT, MAX_TOLD - self._told))
        except Exception as error:  # noqa: BLE001 - whatever a simulator raises, its player reads
            return failure(f"Error during execution: {str(error) or type(error).__name__}")
        self._told += length
        return answer

    def repeat(self, call: Call) -> None:
        """Run a call whose answer is known: one that another world of the same task has checked and answered."""
        if call.name in self._tools:
            backend, tool = self._tools[call.name]
            if not problem(tool.parameters, call.arguments):
                with suppress(Exception):
                    self._method(backend, call.name)(**copied(dict(call.arguments)))

    def _method(self, backend: str, name: str) -> Callable[..., Any]:
        """Find what answers a tool of the allow-list: a method of its name, or what is behind tools that came along."""
        instance = self._instances[backend]
        method: Callable[..., Any] = instance.tool(name) if hasattr(instance, "tool") else getattr(instance, name)
        return method

    @property
    def over(self) -> bool:
        """Whether the play ends here: a task's own functions are called in one message."""
        return self._calls > 0 and FUNCTIONS in self._instances

    def shown(self) -> str:
        """Say what the backends show of themselves at the beginning of a conversation; most show nothing."""
        parts = [instance.shows() for instance in self._instances.values() if hasattr(instance, "shows")]
        return "\n\n".join(filter(None, parts))

    def fork(self) -> "BackendWorld":
        """Make a world that stands where this one stands and goes its own way. Not for SQL, which has a process."""
        world = BackendWorld(copy.deepcopy(self._instances))
        world._tools = self._tools
        world._calls, world._heard, world._told = self._calls, self._heard, self._told
        return world

    def state(self) -> dict[str, JsonValue]:
        """Show every backend's public attributes, which are what BFCL compares."""
        return {backend: state_of(instance) for backend, instance in self._instances.items()}

    def everything(self) -> dict[str, JsonValue]:
        """Show private attributes as well: the current directory, random generators, hidden levels."""
        return {backend: state_of(instance, private=True) for backend, instance in self._instances.items()}

    def places(self) -> dict[str, str]:
        """Say where the player stands in every backend that has places: its current directory."""
        standing = {backend: place_of(instance) for backend, instance in self._instances.items()}
        return {backend: place for backend, place in standing.items() if place is not None}

    def mark(self) -> int:
        """Name where this world stands, private attributes included: in this process, equal worlds are named alike."""
        return hash(frozenset((name, mark_of(instance)) for name, instance in self._instances.items()))

    def snapshot(self) -> Mapping[str, Snapshot]:
        """Keep the state of this moment, to hold other worlds against."""
        return {backend: snapshot(instance) for backend, instance in self._instances.items()}

    def stands_at(self, then: Mapping[str, Snapshot]) -> bool:
        """Whether the state equals one that was kept: `state` compared, without spelling it out."""
        return all(alike(self._instances[backend], attributes) for backend, attributes in then.items())

    def difference(self, then: Mapping[str, Snapshot]) -> str:
        """Name the first place where the state differs from one that was kept, with both values."""
        for backend, attributes in then.items():
            for name, value in attributes.items():
                now = attributes_of(self._instances[backend])[name]
                if not same(now, value):
                    return _difference(shown(now), shown(value), f"{backend}/{name}")
        return "nothing"


def _difference(now: JsonValue, then: JsonValue, location: str) -> str:
    if isinstance(now, dict) and isinstance(then, dict):
        for key in [*then, *now]:
            if key not in now or key not in then or now[key] != then[key]:
                return _difference(now.get(key), then.get(key), f"{location}/{key}")
    return f"{location} is {repr(now)[:MAX_SHOWN]}, not {repr(then)[:MAX_SHOWN]}"
