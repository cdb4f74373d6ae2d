"""The eight stateful backends of BFCL, each play with instances of its own.

BFCL: Patil et al., "The Berkeley Function Calling Leaderboard", 2025; package `bfcl-eval`, installed without its
dependencies, of which nothing but these eight simulators and their function documents is read.
"""

import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType, ModuleType
from typing import Any, Final

from pydantic import JsonValue

from loop.errors import ConfigError
from loop.types import Record, Tool
from task_generators.backends.backend import Simulator
from task_generators.backends.installed import INSTALL
from task_generators.backends.mends import MENDS, PACKAGE
from task_generators.backends.schemas import BadDocument, tool_of
from task_generators.backends.values import copied


class BfclBackend(Record):
    """One of BFCL's backends."""

    name: str
    module: str
    """BFCL's module; its file of function documents has the same name."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool, by name, in the order of the documents.

        Raises:
            ConfigError: the package with the documents is not installed.
            BadDocument: a document cannot be read; the message names file and line.
        """
        return tools_of_module(self.module)

    def open(self, initial: Mapping[str, JsonValue], *, long_context: bool) -> Simulator:
        """Make one play's own instance.

        Raises:
            ConfigError: the package with the simulators is not installed.
        """
        instance = _class(self.name, self.module)()
        if hasattr(instance, "_load_scenario"):  # MathAPI remembers nothing
            instance._load_scenario(initial, long_context=long_context)  # noqa: SLF001 - BFCL's only way in
        return instance


BACKENDS: Final = (
    BfclBackend(name="GorillaFileSystem", module="gorilla_file_system"),
    BfclBackend(name="MathAPI", module="math_api"),
    BfclBackend(name="MessageAPI", module="message_api"),
    BfclBackend(name="TicketAPI", module="ticket_api"),
    BfclBackend(name="TradingBot", module="trading_bot"),
    BfclBackend(name="TravelAPI", module="travel_booking"),
    BfclBackend(name="TwitterAPI", module="posting_api"),
    BfclBackend(name="VehicleControlAPI", module="vehicle_control"),
)


@cache
def _class(name: str, module: str) -> type:
    """Make the class of a backend's instances: BFCL's own behind its mend."""
    original: type = getattr(_own_module(module), name)
    mend = MENDS.get(name)
    return type(name, (mend, original), {}) if mend else original


def _own_module(name: str) -> ModuleType:
    """Load a copy of one of BFCL's modules that nobody else can import.

    It copies its default state with our `copied`, which costs a tenth of `copy.deepcopy`.
    """
    try:
        spec = importlib.util.find_spec(f"{PACKAGE}.{name}")
    except ImportError as error:
        raise ConfigError(f"{error}. {INSTALL}") from error
    if spec is None or spec.loader is None:
        raise ConfigError(f"{PACKAGE}.{name} is missing. {INSTALL}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.deepcopy = copied  # type: ignore[attr-defined]  # the name that the simulators copy with
    return module


@cache
def tools_of_module(module: str) -> Mapping[str, Tool]:
    """Read the tools of one of BFCL's modules, by name, in the order of its documents.

    Raises:
        ConfigError: the package with the documents is not installed.
        BadDocument: a document cannot be read; the message names file and line.
    """
    return MappingProxyType({tool.name: tool for tool in map(tool_of, _documents(module))})


def _documents(module: str) -> list[Mapping[str, Any]]:
    try:
        path = files("bfcl_eval") / "data" / "multi_turn_func_doc" / f"{module}.json"
        lines = path.read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError) as error:
        raise ConfigError(f"{error}. {INSTALL}") from error
    return [_document(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _document(line: str, location: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise BadDocument(f"{location}: {error}") from error
