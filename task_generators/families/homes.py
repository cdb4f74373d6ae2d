"""Which generator a single backend's tasks come from."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from task_generators import files, maths, messages, sql, tickets, trading, travel, twitter, vehicle
from task_generators.writing.generator import Domain

HOMES: Final[Mapping[str, tuple[str, Domain]]] = MappingProxyType(
    {
        module.DOMAIN.backends[0]: (module.__name__.rsplit(".", 1)[1], module.DOMAIN)
        for module in (files, maths, messages, sql, tickets, trading, travel, twitter, vehicle)
    }
)
"""Every backend's generator, by name, and its domain."""


def home(backend: str) -> tuple[str, Domain]:
    """Look up the generator and the domain of one backend."""
    return HOMES[backend]
