"""Arms that cannot be played rest: one whose plays all die would be drawn as unseen in every round for ever.

An arm is parked after `PATIENCE` rounds in a row that lost every play of it, and tried again after 2, 4, 8 … rounds.
"""

from typing import Final

from loop.types import Arm

PATIENCE: Final = 2
LONGEST: Final = 32
"""Rounds that it rests at most."""


def lost(arm: Arm, round: int) -> Arm:  # noqa: A002 - the field's name
    """Note that a round lost all its plays of an arm to infrastructure."""
    barren = arm.barren + 1
    rest = min(2 ** (barren - PATIENCE + 1), LONGEST) if barren >= PATIENCE else 0
    return arm.model_copy(update={"barren": barren, "rests_until": round + 1 + rest if rest else None})


def returned(arm: Arm) -> Arm:
    """Note that an arm was played, or that the operator wants it tried."""
    return arm.model_copy(update={"barren": 0, "rests_until": None})


def rests(arm: Arm, round: int) -> bool:  # noqa: A002 - the field's name
    """Whether a round leaves an arm out."""
    return arm.rests_until is not None and round < arm.rests_until
