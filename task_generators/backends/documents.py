"""The function documents of the backends: which tools each has, in which order, and what each takes."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from loop.errors import ConfigError, nearest
from loop.types import Tool
from task_generators.backends.schemas import BadDocument, tool_of
from task_generators.backends.simulators import MODULES

BACKENDS: Final = tuple(sorted((*MODULES, "SQL")))
"""Every backend, by name."""


@cache
def tools_of_backend(backend: str) -> Mapping[str, Tool]:
    """Read a backend's tools, by name, in the order of its documents.

    Raises:
        ConfigError: no such backend, or the package with the documents is not installed.
        BadDocument: a document cannot be read; the message names file and line.
    """
    if backend not in MODULES:
        raise ConfigError(f"There is no backend '{backend}'.{nearest(backend, BACKENDS)}")
    return MappingProxyType({tool.name: tool for tool in map(tool_of, _documents(MODULES[backend]))})


def _documents(module: str) -> list[Mapping[str, Any]]:
    try:
        path = files("bfcl_eval") / "data" / "multi_turn_func_doc" / f"{module}.json"
        lines = path.read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError) as error:
        raise ConfigError(f"{error}. Type `pip install --no-deps -r locks/data.txt`.") from error
    return [_document(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _document(line: str, place: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise BadDocument(f"{place}: {error}") from error
