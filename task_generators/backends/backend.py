"""What a backend is, and where they are found.

A backend is one file in this package whose name ends in `_backend`: it holds `BACKENDS`, one or more frozen records
that fulfil `Backend`. Putting the file there is all it takes. docs/worlds.md shows one.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol, cast

from pydantic import JsonValue

from loop.errors import ConfigError, LoopdError, nearest
from loop.types import Tool

Simulator = Any
"""One play's instance of a backend: an object with one method for every tool, which takes the tool's arguments.

A method answers a plain value; `{"error": …}`, or an exception, tells of an error. Public attributes are the state;
a simulator whose attributes are not its state has a method `remembers` that answers it. Where the tools come with the
task, the backend has a method `brings(initial)` that gives them by name, and the simulator a method `tool(name)`.
"""


class BadState(LoopdError):
    """A task's initial state is none that its backend can be opened with."""


class Backend(Protocol):
    """A kind of world: its tools, and how one play's instance is made. A frozen pydantic model."""

    @property
    def name(self) -> str:
        """The name in tasks."""
        ...

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool, by name, in the order in which they are shown."""
        ...

    def open(self, initial: Mapping[str, JsonValue], *, long_context: bool) -> Simulator:
        """Make one play's own instance from an initial state, which nobody else holds.

        Raises:
            BadState: nothing can be opened with it; the message says why.
        """
        ...


def backend(name: str) -> Backend:
    """Look a backend up.

    Raises:
        ConfigError: there is none of that name; the message lists the known ones.
    """
    known = backends()
    if name not in known:
        raise ConfigError(f"There is no backend '{name}'.{nearest(name, list(known))}")
    return known[name]


@cache
def backends() -> Mapping[str, Backend]:
    """Every backend, by name."""
    package = importlib.import_module(__package__)
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name.endswith("_backend")]
    modules = [importlib.import_module(f"{__package__}.{name}") for name in names]
    listed = [cast("Backend", one) for module in modules for one in module.BACKENDS]
    return MappingProxyType({one.name: one for one in sorted(listed, key=lambda one: one.name)})
