"""Whether the machine is on mains power: `pmset` on macOS, /sys/class/power_supply elsewhere."""

import re
import sys
from typing import Final

import psutil

from loop.types import Record
from loop.windows.machine import answer

SOURCE: Final = re.compile(r"^Now drawing from '(?P<source>[^']+)'", re.MULTILINE)
"""`pmset -g ps`: AC Power, Battery Power or UPS Power."""


class Power(Record):
    """Looks where the power comes from."""

    platform: str = sys.platform

    def look(self) -> bool | None:
        """Say whether it is the mains; a machine without a battery has nothing else."""
        if self.platform == "darwin":
            return mains(answer("pmset", "-g", "ps"))
        try:
            battery = psutil.sensors_battery()
        except (AttributeError, OSError, ValueError):
            return None
        return True if battery is None else battery.power_plugged


def mains(output: str) -> bool | None:
    """Read what `pmset -g ps` says. A battery that bridges a power cut (UPS) is not the mains."""
    match = SOURCE.search(output)
    return None if match is None else match["source"] == "AC Power"
