"""Checks of the loop's windows: whether the machine can tell what the settings ask for, and whether they are open."""

import time
from collections.abc import Iterator
from typing import Any, Final

from loop.cli import access
from loop.cli.checks.found import Check, CheckResult, judged
from loop.runtime.awake import Awake
from loop.windows import decision
from loop.windows.machine import Probe

TOLD: Final = {"mains": "mains power", "idle": "seconds without input", "pressure": "thermal pressure"}
"""What each probe looks at, in words."""
SETTINGS: Final = {"mains": "mains", "idle": "idle_minutes", "pressure": "pressure"}
"""What asks for it."""


def probes() -> Iterator[CheckResult]:
    """Every probe answers, or nothing asks for it."""
    limits = access.settings().windows
    for name, probe in decision.PROBES.items():
        yield _probed(name, probe, asked=bool(decision.ASKED[name](limits)))


def _probed(name: str, probe: Probe[Any], *, asked: bool) -> CheckResult:
    seen = probe.look()
    words = {True: "yes", False: "no", None: "cannot be told here"}
    detail = words[seen] if seen is None or isinstance(seen, bool) else f"{seen:.0f}" if name == "idle" else str(seen)
    fix = f"What cannot be told hinders nothing: take `{SETTINGS[name]}` out of [windows], or set hours."
    return judged(TOLD[name], seen is not None or not asked, detail, fix)


def window() -> Iterator[CheckResult]:
    """Whether the loop may use the GPU now."""
    limits = access.settings().windows
    now = decision.decide(limits, time.time(), decision.look(limits))
    detail = "open" if now.open else f"closed: {now.reason}"
    yield CheckResult(check="window", state="ok", detail=detail if limits.bounded else "open at any time")


def sleep() -> Iterator[CheckResult]:
    """Whether sleep can be held off while the loop works."""
    if not access.settings().windows.awake:
        yield CheckResult(check="sleep", state="ok", detail="is not held off (windows.awake)")
        return
    with Awake() as awake:
        held = awake.settled()
    fix = "Keep the machine from sleeping in its own settings (macOS: sudo pmset -c sleep 0), or windows.awake = false."
    yield judged("sleep", held, "can be held off while it works" if held else "cannot be held off", fix)


CHECKS: Final[tuple[Check, ...]] = (probes, window, sleep)
