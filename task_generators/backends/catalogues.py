"""Which tools a task may offer: the backends' function documents as catalogues."""

from collections.abc import Iterable, Sequence

from loop.errors import ConfigError, nearest
from loop.types import Catalogue, Tool
from task_generators.backends.backend import backend as backend_of


def tools_of(backend: str) -> tuple[str, ...]:
    """Names of all tools of a backend, in the order of its documents.

    Raises:
        ConfigError: no such backend.
    """
    return tuple(backend_of(backend).tools)


def catalogue(tools: Sequence[str], backends: Iterable[str]) -> Catalogue:
    """Offer the named tools of these backends, in the order of the names.

    Raises:
        ConfigError: none of the backends has a tool of that name.
    """
    known: dict[str, Tool] = {}
    for backend in backends:
        known |= backend_of(backend).tools
    unknown = [name for name in tools if name not in known]
    if unknown:
        raise ConfigError(f"There is no tool '{unknown[0]}' here.{nearest(unknown[0], list(known))}")
    return Catalogue(tools=tuple(known[name] for name in tools))
