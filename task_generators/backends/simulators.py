"""The stateful simulators behind the worlds: BFCL's own classes, mended where two plays could meet.

BFCL: Patil et al., "The Berkeley Function Calling Leaderboard", 2025; package `bfcl-eval`, installed without its
dependencies, of which nothing but these eight simulators is imported.
"""

import importlib.util
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, Final

from loop.errors import ConfigError, nearest
from task_generators.backends.mends import MENDS, PACKAGE
from task_generators.backends.values import copied

MODULES: Final[Mapping[str, str]] = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "TwitterAPI": "posting_api",
    "VehicleControlAPI": "vehicle_control",
}
"""BFCL's module of each backend; its function documents have the same name."""


def simulator(backend: str, initial: Mapping[str, Any], *, long_context: bool = False) -> Any:  # noqa: ANN401 - untyped
    """Build one play's instance from its initial state, which the instance takes over: hand it a copy.

    Raises:
        ConfigError: no such backend, or the package with the simulators is not installed.
    """
    instance = _class_of(backend)()
    if hasattr(instance, "_load_scenario"):  # MathAPI remembers nothing
        instance._load_scenario(initial, long_context=long_context)  # noqa: SLF001 - BFCL's only way in
    return instance


@cache
def _class_of(backend: str) -> type:
    if backend not in MODULES:
        raise ConfigError(f"There is no backend '{backend}'.{nearest(backend, list(MODULES))}")
    original: type = getattr(_own_module(MODULES[backend]), backend)
    mend = MENDS.get(backend)
    return type(backend, (mend, original), {}) if mend else original


def _own_module(name: str) -> ModuleType:
    """Load a copy of one of BFCL's modules that nobody else can import.

    It copies its default state with our `copied`, which costs a tenth of `copy.deepcopy`.
    """
    try:
        spec = importlib.util.find_spec(f"{PACKAGE}.{name}")
    except ImportError as error:
        raise ConfigError(f"{error}. Type `pip install --no-deps -r locks/data.txt`.") from error
    if spec is None or spec.loader is None:
        raise ConfigError(f"{PACKAGE}.{name} is missing. Type `pip install --no-deps -r locks/data.txt`.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.deepcopy = copied  # type: ignore[attr-defined]  # the name that the simulators copy with
    return module
