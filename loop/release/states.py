"""How far a release has come: its state, on which ground, and what stands in its way."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from loop.types import Record


class State(StrEnum):
    """What a stranger may make of a release."""

    READY = "release-ready-metadata"
    """Every gate held, or it is for routed use only, and all evidence is here. Weights may lie elsewhere."""
    CURRENT_BEST = "candidate-current-best"
    """The best that was measured; something that a release needs is missing."""
    REPORT_ONLY = "report-only"
    """Worth reading and repeating. Nobody should use the model itself."""
    BLOCKED = "blocked"
    """Nothing can be said of it before something named has been done."""
    PARKED = "parked"
    """Real, and no longer worked on."""


class StateReason(StrEnum):
    """Why a release is in its state."""

    COMPLETE = "every gate held and all evidence is here"
    ROUTED_ONLY = "not worse in what it was trained for, worse elsewhere: a specialist, with all evidence here"
    INCOMPLETE = "every gate held, but evidence is missing"
    UNTRAINED = "the untrained base model: others are measured beside it"
    REFUSED = "a gate did not hold, or nothing was better beyond doubt"
    NOT_JUDGED = "no gate has judged it"
    UNDECIDED = "its gates have measured, and nothing was decided yet"
    UNVERIFIED = "its adapter is not what was published"
    HALF_A_SPECIALIST = "a specialist whose evidence is not all here"
    RETIRED = "another champion has taken its place"
    BY_HAND = "its owner has parked it"


GROUNDS: Final[Mapping[State, frozenset[StateReason]]] = {
    State.READY: frozenset({StateReason.COMPLETE, StateReason.ROUTED_ONLY}),
    State.CURRENT_BEST: frozenset({StateReason.INCOMPLETE}),
    State.REPORT_ONLY: frozenset({StateReason.REFUSED, StateReason.UNTRAINED}),
    State.BLOCKED: frozenset(
        {StateReason.NOT_JUDGED, StateReason.UNDECIDED, StateReason.UNVERIFIED, StateReason.HALF_A_SPECIALIST}
    ),
    State.PARKED: frozenset({StateReason.RETIRED, StateReason.BY_HAND}),
}
"""Every legal ground of a state; each ground belongs to one."""
WITH_WEIGHTS: Final = frozenset({State.READY, State.CURRENT_BEST})
"""States in which the weights may be handed out."""


def state_on(ground: StateReason) -> State:
    """Give the state that a ground puts a release in."""
    return next(state for state, grounds in GROUNDS.items() if ground in grounds)


class Blocker(Record):
    """Something that stands in a release's way, or that its reader must know."""

    what: str
    why: str
    """Why it matters."""
    unblock: str
    """What to do about it."""
    bars: bool = True
    """Whether the release is not ready while it stands; what is only disclosed bars nothing."""
