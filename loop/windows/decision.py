"""May the loop use the GPU now? A value with its reason, from the settings, the clock and what the machine is."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

from loop.types import Record
from loop.windows.heat import Heat
from loop.windows.hours import DAY, opens, parse, within
from loop.windows.idle import Idle
from loop.windows.limits import Windows
from loop.windows.machine import Machine, Probe
from loop.windows.power import Power

PROBES: Final[Mapping[str, Probe[Any]]] = MappingProxyType({"mains": Power(), "idle": Idle(), "pressure": Heat()})
"""What looks at each field of `Machine`."""
ASKED: Final[Mapping[str, Callable[[Windows], object]]] = MappingProxyType(
    {
        "mains": lambda limits: limits.mains,
        "idle": lambda limits: limits.idle_minutes,
        "pressure": lambda limits: limits.pressure,
    }
)
"""Whether the settings ask for a field of `Machine`."""


class Decision(Record):
    """Whether the loop may use the GPU."""

    open: bool
    reason: str = ""
    """Why not."""
    until: float | None = None
    """When the clock lets it, in seconds since the epoch; None where it is not the clock that is in the way."""
    unknown: tuple[str, ...] = ()
    """What is asked for and cannot be told: that hinders nothing, and somebody should know."""


def look(limits: Windows) -> Machine:
    """Look at what the settings ask for, and at nothing else."""
    return Machine.model_validate({name: PROBES[name].look() for name, asked in ASKED.items() if asked(limits)})


def decide(limits: Windows, moment: float, machine: Machine, zone: tzinfo | None = None) -> Decision:
    """Say whether the loop may use the GPU.

    Args:
        limits: the settings.
        moment: seconds since the epoch.
        machine: what it is seen to be.
        zone: whose wall clock the hours mean; None for this machine's.
    """
    hours = [parse(each) for each in limits.hours]
    until = opens(hours, moment, zone) if hours and not within(hours, moment, zone) else None
    outside = bool(hours) and not within(hours, moment, zone)
    against = [_outside(limits, moment, until, zone)] if outside else []
    against += _against(limits, machine)
    unknown = tuple(name for name, asked in ASKED.items() if asked(limits) and getattr(machine, name) is None)
    return Decision(open=not against, reason="; ".join(against), until=until, unknown=unknown)


def _outside(limits: Windows, moment: float, until: float | None, zone: tzinfo | None) -> str:
    if until is None:
        return f"outside {', '.join(limits.hours)}"
    soon = until - moment < DAY * 60
    opening = datetime.fromtimestamp(until, zone).strftime("%H:%M" if soon else "%a %H:%M")
    return f"outside {', '.join(limits.hours)}; next at {opening}"


def _against(limits: Windows, machine: Machine) -> list[str]:
    reasons = ["not on mains power"] if limits.mains and machine.mains is False else []
    if limits.idle_minutes and machine.idle is not None and machine.idle < 60 * limits.idle_minutes:
        ago = f"{machine.idle / 60:.0f} min ago" if machine.idle >= 60 else "just now"  # noqa: PLR2004 - a minute
        reasons += [f"somebody used the machine {ago}, and {limits.idle_minutes} min without that are asked for"]
    if limits.pressure and machine.pressure and machine.pressure.exceeds(limits.pressure):
        reasons += [f"thermal pressure is {machine.pressure}, and {limits.pressure} is the most"]
    return reasons
