"""What a rendered round says: six sections of measurements, and one decision with one next action."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal

from pydantic import JsonValue

from loop.types import Record

SCHEMA: Final = "loopd-run/v1"
SECTIONS: Final = ("target", "data", "post-training", "eval", "package", "report")
"""In the order in which a round comes to them."""


class Basis(StrEnum):
    """What stands behind a measurement."""

    MEASURED = "measured"
    """Counted or timed in this round."""
    DERIVED = "derived"
    """Computed from what was measured."""
    HISTORICAL = "historical"
    """Measured in an earlier round, under the same conditions."""
    SKIPPED = "skipped"
    """It could have been measured, and the settings leave it out."""
    MISSING = "missing"
    """It should be there, and is not."""
    NOT_APPLICABLE = "not applicable"
    """Nothing of the kind happens in such a round."""


WITH_VALUE: Final = frozenset({Basis.MEASURED, Basis.DERIVED, Basis.HISTORICAL})


class Measurement(Record):
    """One figure, or why there is none."""

    name: str
    known: Basis
    value: JsonValue = None
    unit: str = ""
    n: int | None = None
    """What it rests on: plays, tasks, rows or steps."""
    low: float | None = None
    high: float | None = None
    """The two-sided 95 % interval, in the unit of the value."""
    why: str = ""
    """Why there is no value."""
    sql: str
    """The query that it comes from: `loopd sql` answers it."""


class Section(Record):
    """One step of a round."""

    name: str
    measurements: tuple[Measurement, ...]


class RunDecision(StrEnum):
    """What is to become of a round's candidate."""

    SHIP = "ship"
    REJECT = "reject"
    RETRY_DATA = "retry-data"
    RETRY_TRAINING = "retry-training"
    RETRY_EVAL = "retry-eval"
    PARK = "park"


class RunVerdict(Record):
    """The decision, why, and the one thing to do next."""

    decision: RunDecision
    reason: str
    next_action: str


class RunReport(Record):
    """A round, from its target to its report."""

    schema_: Literal["loopd-run/v1"] = "loopd-run/v1"
    round: int
    state: str
    started: str
    changed: str
    sections: tuple[Section, ...]
    verdict: RunVerdict

    @property
    def queries(self) -> tuple[str, ...]:
        """Every query that a figure comes from, once, in the order of the page."""
        return tuple(
            dict.fromkeys(measurement.sql for section in self.sections for measurement in section.measurements)
        )


def measured(name: str, value: JsonValue, sql: str, *, unit: str = "", n: int | None = None) -> Measurement:
    """Give a figure of this round; missing where the database has none."""
    if value is None:
        return absent(name, Basis.MISSING, sql, "the store has no value")
    return Measurement(name=name, known=Basis.MEASURED, value=value, unit=unit, n=n, sql=sql)


def absent(name: str, known: Basis, sql: str, why: str) -> Measurement:
    """Say that there is no figure, and why."""
    return Measurement(name=name, known=known, why=why, sql=sql)


def derived(name: str, value: JsonValue, sql: str, *, unit: str = "", n: int | None = None) -> Measurement:
    """Give a figure that was computed; missing where there was nothing to compute it from."""
    measurement = measured(name, value, sql, unit=unit, n=n)
    return (
        measurement if measurement.known is Basis.MISSING else measurement.model_copy(update={"known": Basis.DERIVED})
    )


def without(names: Sequence[str], known: Basis, sql: str, why: str) -> tuple[Measurement, ...]:
    """Say of several figures that there are none."""
    return tuple(absent(name, known, sql, why) for name in names)
