"""The stateful simulators behind the worlds: BFCL's own classes, mended where two plays could meet.

BFCL: Patil et al., "The Berkeley Function Calling Leaderboard", 2025; package `bfcl-eval`, installed without its
dependencies, of which nothing but these eight simulators is imported.
"""

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from loop.errors import ConfigError, nearest
from task_generators.backends.mends import MENDS, PACKAGE

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
    try:
        module = importlib.import_module(f"{PACKAGE}.{MODULES[backend]}")
    except ImportError as error:
        raise ConfigError(f"{error}. Type `pip install --no-deps -r locks/data.txt`.") from error
    mend = MENDS.get(backend)
    original: type = getattr(module, backend)
    return type(backend, (mend, original), {}) if mend else original
