"""Which tools a task may offer: the backends' function documents as catalogues."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from pydantic import JsonValue

from loop.errors import ConfigError, nearest
from loop.types import Catalogue, Tool
from task_generators.backends.backend import backend as backend_of


def tools_of(backend: str) -> tuple[str, ...]:
    """Names of all tools of a backend, in the order of its documents.

    Raises:
        ConfigError: no such backend.
    """
    return tuple(backend_of(backend).tools)


def tools_in(backend: str, initial: Mapping[str, JsonValue]) -> Mapping[str, Tool]:
    """Give a backend's tools by name: those of a task's own functions are in its initial state.

    Raises:
        ConfigError: no such backend.
        BadDocument: a task's own function cannot be read.
    """
    simulator = backend_of(backend)
    if backend in initial and hasattr(simulator, "brings"):
        brought: Mapping[str, Tool] = simulator.brings(initial[backend])
        return brought
    return simulator.tools


def catalogue(
    tools: Sequence[str], backends: Iterable[str], initial: Mapping[str, JsonValue] = MappingProxyType({})
) -> Catalogue:
    """Offer the named tools of these backends, in the order of the names.

    Raises:
        ConfigError: none of the backends has a tool of that name.
        BadDocument: a task's own function cannot be read.
    """
    known: dict[str, Tool] = {}
    for backend in backends:
        known |= tools_in(backend, initial)
    unknown = [name for name in tools if name not in known]
    if unknown:
        raise ConfigError(f"There is no tool '{unknown[0]}' here.{nearest(unknown[0], list(known))}")
    return Catalogue(tools=tuple(known[name] for name in tools))
