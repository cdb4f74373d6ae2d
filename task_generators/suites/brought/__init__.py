"""Suites that users bring: read from a directory of theirs, kept in the store, never part of the package."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from task_generators.suites.brought.defog import FILES

BROUGHT: Final[Mapping[str, str]] = MappingProxyType(dict.fromkeys(FILES, "defog"))
"""By the suite's name, which data set brings it."""
