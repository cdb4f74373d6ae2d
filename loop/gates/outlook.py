"""Before a round trains: could a flawless candidate be promoted, by what is known of the champion?

A candidate that passes every task gains the tasks that the champion fails. Where these are too few to show a gain, or
the suite is too small to show that nothing was lost, no training can end in a promotion.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import cycle
from typing import Final

from loop.gates.judging import trained
from loop.types import Entry, Gate, GateResult, GateVerdict, Record, Score, Trial

UNKNOWN: Final = "not measured yet"


class Outlook(Record):
    """Whether a round can end in a promotion, and why."""

    open: bool
    """False where not even a flawless candidate could be promoted."""
    reason: str


class OutlookStep(StrEnum):
    """What a round does about its outlook."""

    TRAIN = "train"
    """Go on: it may end in a promotion."""
    GROW = "grow"
    """Draw larger suites, with which it may, and go on."""
    REST = "rest"
    """End here, until something changes."""


class OutlookDecision(Record):
    """What a round does, and why."""

    step: OutlookStep
    reason: str
    times: Mapping[str, int] = {}
    """How many times as large each gate's suite is drawn, by gate."""


class GateOutlook(Record):
    """What one gate would say of a flawless candidate."""

    gate: str
    verdict: GateVerdict
    improved: bool
    failed: int
    """Tasks of trained families that the champion fails; those that it has not played yet count in proportion."""
    tasks: int
    measured: int
    """Of them, the tasks that the champion has played."""
    chance: float
    spent: float


def view(gate: Gate, entries: Sequence[Entry], champion: Sequence[Score], samples: int) -> GateOutlook:
    """Judge a flawless candidate beside the champion's scores.

    Args:
        gate: the gate, for the attempt to come.
        entries: the suite's sound tasks, in its order.
        champion: what is known of the champion.
        samples: plays a task that the gate may ask for.
    """
    known = tuple(_supposed(entries, champion, samples))
    flawless = tuple(score.model_copy(update={"passed": True}) for score in known)
    result: GateResult = gate.within(samples).judge(known, flawless, Trial(entries=tuple(entries)))
    asked = {entries[row].task for row in trained(entries)}
    measured = {score.task for score in champion} & asked
    return GateOutlook(
        gate=gate.name,
        verdict=result.verdict,
        improved=result.improved,
        failed=sum(not score.passed for score in known if score.sample == 0 and score.task in asked),
        tasks=len(asked),
        measured=len(measured),
        chance=result.chance,
        spent=result.spent,
    )


def outlook(views: Sequence[GateOutlook]) -> Outlook:
    """Say whether a flawless candidate would be promoted: every gate holds, and one finds it better."""
    unmeasured = [view.gate for view in views if not view.measured]
    if unmeasured:
        return Outlook(open=True, reason=f"{', '.join(unmeasured)}: {UNKNOWN}")
    held = all(view.verdict is GateVerdict.HOLDS for view in views)
    if held and any(view.improved for view in views):
        return Outlook(open=True, reason="a flawless candidate would be promoted: " + "; ".join(map(_described, views)))
    return Outlook(
        open=False, reason="not even a flawless candidate could be promoted: " + "; ".join(map(_described, views))
    )


def _described(each: GateOutlook) -> str:
    what = f"{each.gate}: the champion fails {each.failed} of {each.tasks} tasks"
    what += "" if each.measured == each.tasks else f" by the {each.measured} it has played"
    if each.verdict is not GateVerdict.HOLDS:
        return f"{what}, and too few tasks show that nothing was lost"
    return f"{what}, p = {each.chance:.2g}, at most {each.spent:.2g} is needed" if each.spent else what


def _supposed(entries: Sequence[Entry], champion: Sequence[Score], samples: int) -> Iterator[Score]:
    """Give the champion's scores of every task: those it has, and elsewhere as its tasks of the same arm went.

    Of an arm that it has not played at all everything may be gained, so it counts as failed.
    """
    first = {score.task: score.passed for score in champion if score.sample == 0}
    later = {(score.task, score.sample): score.passed for score in champion}
    went: Mapping[object, Iterator[bool]] = {arm: cycle(known) for arm, known in _by_arm(entries, first).items()}
    for entry in entries:
        passed = first[entry.task] if entry.task in first else next(went.get(_arm(entry), iter((False,))))
        for sample in range(samples):
            passes = later.get((entry.task, sample), passed)
            yield Score(**entry.model_dump(), sample=sample, passed=passes)


def _by_arm(entries: Sequence[Entry], passed: Mapping[str, bool]) -> dict[object, list[bool]]:
    passes: dict[object, list[bool]] = {}
    for entry in entries:
        if entry.task in passed:
            passes.setdefault(_arm(entry), []).append(passed[entry.task])
    return passes


def _arm(entry: Entry) -> object:
    return entry.backends, entry.family, entry.tier
