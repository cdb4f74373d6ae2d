"""The provider's limits as the Codex client tells them: sparse, one limit at a time, and in numbers of any size."""

from collections.abc import Iterable
from typing import Final

from teachers.budget.limits import SPENT, Window
from teachers.provider.numbers import number
from teachers.provider.waits import LONGEST, MILLISECONDS

OWN: Final = "codex"
"""The limit that counts for every model; others are of one model or one feature."""
MOST: Final = 10.0
"""Share of a window; a larger number means no more."""


def windows_of(limits: object, now: float) -> tuple[Window, ...]:
    """Read the limits from a snapshot; leaves out what it does not say."""
    fields = limits if isinstance(limits, dict) else {}
    other = str(fields.get("limitId") or OWN)[:60]
    suffix = "" if other == OWN else f" of {other}"
    read = (_window(f"the {name} window{suffix}", fields.get(name), now) for name in ("primary", "secondary"))
    return tuple(window for window in read if window is not None)


def _window(name: str, value: object, now: float) -> Window | None:
    fields = value if isinstance(value, dict) else {}
    used, reset = number(fields.get("usedPercent")), number(fields.get("resetsAt"))
    if used is None:
        return None
    if reset is not None:
        reset = min(max(reset / 1000 if reset > MILLISECONDS else reset, 0.0), now + LONGEST)
    return Window(name=name, used=min(max(used / 100, 0.0), MOST), resets_at=reset)


def merged(known: Iterable[Window], windows: Iterable[Window], now: float) -> tuple[Window, ...]:
    """Put what was told last over what was known: a notice says what changed, and nothing of the rest."""
    kept = {window.name: window for window in known if window.resets_at is None or window.resets_at > now}
    for window in windows:
        before = kept.get(window.name)
        if window.resets_at is None and before is not None:
            window = window.model_copy(update={"resets_at": before.resets_at})  # noqa: PLW2901 - completed
        kept[window.name] = window
    return tuple(kept.values())


def reset_of(windows: Iterable[Window], now: float) -> float | None:
    """When what is used up comes back, in seconds since the epoch; the common limit goes before a model's own."""
    ends = [(" of " not in window.name, window.resets_at) for window in windows if window.used >= SPENT]
    resets = [(common, end) for common, end in ends if end is not None and end > now]
    return max(resets, default=(False, None))[1]
