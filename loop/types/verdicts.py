"""What checkers say of a trajectory."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import Field, JsonValue

from loop.types.plays import Trajectory
from loop.types.record import Id, Record
from loop.types.tasks import Task


class Verdict(Record):
    """What one checker at one version says of one trajectory."""

    checker: Id
    version: int
    passed: bool
    score: float = Field(ge=0, le=1)
    reason: str
    """Why, in a sentence that names the turn and the call."""
    evidence: Mapping[str, JsonValue] = {}
    """Findings that a query may ask for: per argument where its value came from, and the like."""


class Checker(Protocol):
    """Judges a trajectory. A frozen pydantic model; a changed judgement needs a new `version`."""

    @property
    def name(self) -> str:
        """The name in the store."""
        ...

    @property
    def version(self) -> int:
        """Bumped with every change of judgement: old trajectories are then owed a new verdict."""
        ...

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge one trajectory; never raises for anything that a player may have done."""
        ...


class Referee(Checker, Protocol):
    """A checker that can tell from a play's first turns that it fails, whatever its other turns bring."""

    def doomed(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether one of the turns that were played fails the play already."""
        ...
