"""How hot the machine is: the thermal pressure of macOS, and elsewhere its sensors beside their limits."""

import re
import sys
from collections.abc import Iterable
from typing import Final

import psutil

from loop.types import Record
from loop.windows.machine import Pressure, answer

KEY: Final = "com.apple.system.thermalpressurelevel"
LEVEL: Final = re.compile(rf"^{re.escape(KEY)}\s+(?P<level>\d+)\s*$", re.MULTILINE)
"""`notifyutil -g`: 0 nominal, 1 moderate, 2 heavy, 3 trapping, 4 sleeping (libkern/OSThermalNotification.h)."""
NEAR: Final = 5.0
"""Degrees below a sensor's limit from which on the pressure is moderate."""
Reading = tuple[float, float | None, float | None]
"""A sensor: its temperature, the one from which it is too hot, and the one at which the machine is switched off."""


class Heat(Record):
    """Looks at the thermal pressure."""

    platform: str = sys.platform

    def look(self) -> Pressure | None:
        """Say how high it is."""
        if self.platform == "darwin":
            return by_level(answer("notifyutil", "-g", KEY))
        try:
            sensors = psutil.sensors_temperatures()
        except (AttributeError, OSError, ValueError):
            return None
        return by_sensors((each.current, each.high, each.critical) for chip in sensors.values() for each in chip)


def by_level(text: str) -> Pressure | None:
    """Read what `notifyutil` says."""
    match = LEVEL.search(text)
    return None if match is None else list(Pressure)[min(int(match["level"]), len(Pressure) - 1)]


def by_sensors(sensors: Iterable[Reading]) -> Pressure | None:
    """Take the sensor that is nearest to its limit; those without one say nothing."""
    levels = [_pressure(now, high, critical) for now, high, critical in sensors if high or critical]
    return max(levels, key=list(Pressure).index, default=None)


def _pressure(now: float, high: float | None, critical: float | None) -> Pressure:
    if critical and now >= critical:
        return Pressure.TRAPPING
    limit = high or critical or now
    return Pressure.HEAVY if now >= limit else Pressure.MODERATE if now >= limit - NEAR else Pressure.NOMINAL
